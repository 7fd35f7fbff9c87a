"""Any number of services that offer `POST /audio/transcriptions`, as one engine for live speech."""
