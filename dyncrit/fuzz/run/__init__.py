"""Programs run on broken images: in a working folder with limits, judged, and what was found kept."""
