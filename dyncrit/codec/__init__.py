"""Bytes and documents: framing, payloads, messages. The only code that touches an image's bytes."""
