"""A fuzzer that knows the format of images: it makes them, breaks them, and runs programs on them."""
