"""One engine for live speech over any number of services that offer `POST /audio/transcriptions`."""
