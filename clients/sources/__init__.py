"""Streams by URL: RTSP, RTMP, SRT, HLS and HTTP, decoded in a process of their own."""
