"""Twilio Media Streams, and Telnyx, Plivo and Exotel; `docs/telephony.md` describes them."""
