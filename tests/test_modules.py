"""Every module has tests that carry its name, in the place that mirrors its own, or is named here with its tests."""

from pathlib import Path

import pytest

from tests.test_layers import ROOT, modules, name_of

TESTED_BY = {
    "vad/audio_history.py": "tests/vad/test_segmenter.py",
    "vad/detector.py": "tests/vad/test_detector_availability.py",
    "vad/errors.py": "tests/vad/test_audio.py",
    "vad/events.py": "tests/vad/test_hybrid.py",
    "vad/flac_writer.py": "tests/gateway/journal/test_recording.py",
    "vad/settings.py": "tests/vad/test_evidence.py",
    "vad/silero.py": "tests/vad/test_detector_availability.py",
    "vad/stereo.py": "tests/vad/test_downmix.py",
    "vad/webrtc.py": "tests/vad/test_hybrid.py",
    "decoder/audio_levels.py": "tests/decoder/test_truncation.py",
    "decoder/engine.py": "tests/decoder/engines/moonshine/test_decoder_graph.py",
    "decoder/engine_process/child.py": "tests/decoder/engine_process/test_engine.py",
    "decoder/engine_process/pipes.py": "tests/decoder/engine_process/test_engine.py",
    "decoder/engine_process/process.py": "tests/decoder/engine_process/test_engine.py",
    "decoder/engines/moonshine/batch_decoder.py": "tests/decoder/engines/moonshine/test_engine.py",
    "decoder/engines/moonshine/batch_search.py": "tests/decoder/engines/moonshine/test_decoder_graph.py",
    "decoder/engines/moonshine/network.py": "tests/decoder/engines/moonshine/test_decoder_graph.py",
    "decoder/engines/moonshine/onnx_writer.py": "tests/decoder/engines/moonshine/test_decoder_graph.py",
    "decoder/engines/moonshine/weights.py": "tests/decoder/engines/moonshine/test_decoder_graph.py",
    "decoder/engines/ray_serve/factory.py": "tests/decoder/engines/ray_serve/test_cluster.py",
    "decoder/engines/torch_whisper/device.py": "tests/decoder/engines/torch_whisper/test_device_loop.py",
    "decoder/engines/torch_whisper/jobs.py": "tests/decoder/engines/torch_whisper/test_device_loop.py",
    "decoder/engines/torch_whisper/network.py": "tests/decoder/engines/torch_whisper/test_engine.py",
    "decoder/engines/upstream/admission.py": "tests/decoder/engines/upstream/test_engine.py",
    "decoder/engines/upstream/audio_encoding.py": "tests/decoder/engines/upstream/test_client.py",
    "decoder/engines/upstream/pool.py": "tests/decoder/engines/upstream/test_engine.py",
    "decoder/engines/upstream/pool_member.py": "tests/decoder/engines/upstream/test_engine.py",
    "decoder/whisper/batch_decoder.py": "tests/decoder/engines/whisper/test_engine.py",
    "decoder/whisper/batch_plan.py": "tests/decoder/whisper/test_continuation.py",
    "decoder/engines/whisper/encoder_output.py": "tests/decoder/engines/whisper/test_engine.py",
    "decoder/whisper/hypothesis_words.py": "tests/decoder/engines/whisper/test_engine.py",
    "decoder/whisper/engine.py": "tests/decoder/engines/whisper/test_engine.py",
    "decoder/whisper/network.py": "tests/contracts/test_engines.py",
    "decoder/whisper/vocabulary.py": "tests/decoder/engines/whisper/test_tasks.py",
    "decoder/engines/whisper/network.py": "tests/decoder/engines/whisper/test_engine.py",
    "decoder/whisper/recognizer.py": "tests/decoder/engines/whisper/test_engine.py",
    "decoder/whisper/request_planner.py": "tests/decoder/engines/whisper/test_engine.py",
    "decoder/hallucination_phrases.py": "tests/decoder/test_hallucination_filter.py",
    "decoder/packaged_models.py": "tests/decoder/test_engine_selection.py",
    "decoder/settings.py": "tests/decoder/test_cpu_cores.py",
    "decoder/speaking_time.py": "tests/decoder/test_hallucination_filter.py",
    "decoder/types.py": "tests/decoder/test_engine_selection.py",
    "gateway/access/account_sync.py": "tests/gateway/access/test_authenticator.py",
    "gateway/access/authenticator_opening.py": "tests/gateway/access/test_authenticator.py",
    "gateway/access/client_secrets.py": "tests/gateway/http/openai/test_realtime.py",
    "gateway/access/login_throttle.py": "tests/attacks/test_tenants.py",
    "gateway/captions/cue_layout.py": "tests/gateway/captions/test_cue_builder.py",
    "gateway/cli/auditing.py": "tests/gateway/cli/test_keys.py",
    "gateway/cli/doctor.py": "tests/gateway/cli/test_main.py",
    "gateway/cli/options.py": "tests/gateway/cli/test_main.py",
    "gateway/cli/running.py": "tests/gateway/cli/test_main.py",
    "gateway/http/deepgram/file_response.py": "tests/gateway/http/deepgram/test_routes.py",
    "gateway/delivery/mirror.py": "tests/gateway/session/test_takeover.py",
    "gateway/http/disconnection.py": "tests/gateway/http/deepgram/test_routes.py",
    "gateway/http/host_check.py": "tests/attacks/test_rebinding.py",
    "gateway/http/openai/routes.py": "tests/gateway/http/test_app.py",
    "gateway/http/openai/transcription_response.py": "tests/gateway/http/test_app.py",
    "gateway/http/request_body.py": "tests/gateway/http/openai/test_realtime.py",
    "gateway/http/server.py": "tests/attacks/test_slow_peers.py",
    "gateway/http/sessions/directory.py": "tests/gateway/http/sessions/test_event_feed.py",
    "gateway/http/sessions/event_stream.py": "tests/gateway/http/sessions/test_events.py",
    "gateway/http/sessions/viewer_access.py": "tests/gateway/http/sessions/test_event_socket.py",
    "gateway/http/upload_response.py": "tests/gateway/http/deepgram/test_routes.py",
    "gateway/http/vosk.py": "tests/gateway/http/test_app.py",
    "gateway/in_process.py": "tests/gateway/cli/test_transcribe.py",
    "gateway/journal/redis_client.py": "tests/gateway/journal/test_redis_store.py",
    "gateway/journal/redis_scripts.py": "tests/gateway/journal/test_redis_store.py",
    "gateway/journal/redis_sinks.py": "tests/contracts/test_journal_stores.py",
    "gateway/journal/redis_tokens.py": "tests/contracts/test_journal_stores.py",
    "gateway/journal/sqlite_store.py": "tests/contracts/test_journal_stores.py",
    "gateway/journal/store.py": "tests/contracts/test_journal_stores.py",
    "gateway/journal_settings.py": "tests/gateway/test_settings.py",
    "gateway/limit_settings.py": "tests/gateway/test_settings.py",
    "gateway/media/decoder_process.py": "tests/gateway/media/test_sandboxed_decoder.py",
    "gateway/request_context.py": "tests/gateway/http/test_trace_headers.py",
    "gateway/runtime.py": "tests/gateway/http/sessions/test_routes.py",
    "gateway/serve.py": "tests/gateway/cli/test_main.py",
    "gateway/session/assembly.py": "tests/gateway/session/test_resume.py",
    "gateway/session/client_input.py": "tests/gateway/session/test_resume.py",
    "gateway/session/connection.py": "tests/gateway/access/test_live_credits.py",
    "gateway/session/output.py": "tests/gateway/session/test_resume.py",
    "gateway/session/sink_reports.py": "tests/gateway/sinks/test_service.py",
    "gateway/session/request_policy.py": "tests/gateway/session/test_pipeline.py",
    "gateway/sink_settings.py": "tests/gateway/sinks/test_service.py",
    "gateway/sinks/feed.py": "tests/gateway/sinks/test_runner.py",
    "gateway/sinks/pacing.py": "tests/gateway/sinks/test_runner.py",
    "gateway/sinks/positions.py": "tests/gateway/sinks/test_runner.py",
    "gateway/sinks/session_sinks.py": "tests/gateway/sinks/test_runner.py",
    "gateway/shutdown.py": "tests/attacks/test_drain.py",
    "gateway/tracing.py": "tests/gateway/session/test_session_trace.py",
    "gateway/wire/bounds.py": "tests/gateway/session/test_pipeline_driver.py",
    "gateway/wire/client_events.py": "tests/gateway/wire/test_language_choice.py",
    "gateway/wire/cue.py": "tests/gateway/captions/test_captioner.py",
    "gateway/wire/deepgram/flux_messages.py": "tests/gateway/wire/deepgram/test_flux_codec.py",
    "gateway/wire/deepgram/flux_params.py": "tests/gateway/wire/deepgram/test_flux_codec.py",
    "gateway/wire/deepgram/listen_params.py": "tests/gateway/wire/deepgram/test_codec.py",
    "gateway/wire/deepgram/messages.py": "tests/gateway/wire/deepgram/test_codec.py",
    "gateway/wire/deepgram/query.py": "tests/gateway/http/deepgram/test_routes.py",
    "gateway/wire/native/conversion.py": "tests/gateway/wire/native/test_codec.py",
    "gateway/wire/native/messages.py": "tests/gateway/wire/native/test_asyncapi.py",
    "gateway/wire/native/units.py": "tests/gateway/wire/native/test_codec.py",
    "gateway/wire/native/utterance_messages.py": "tests/gateway/wire/native/test_codec.py",
    "gateway/wire/native/sink_messages.py": "tests/gateway/wire/native/test_codec.py",
    "gateway/wire/native/validation_errors.py": "tests/gateway/wire/native/test_codec.py",
    "gateway/wire/openai_realtime/items.py": "tests/gateway/wire/openai_realtime/test_codec.py",
    "gateway/wire/openai_realtime/messages.py": "tests/attacks/test_unbounded_text.py",
    "gateway/wire/openai_realtime/notes.py": "tests/gateway/wire/openai_realtime/test_codec.py",
    "gateway/wire/openai_realtime/session_config.py": "tests/gateway/wire/openai_realtime/test_codec.py",
    "gateway/wire/openai_realtime/validation_errors.py": "tests/gateway/wire/openai_realtime/test_codec.py",
    "gateway/wire/server_events.py": "tests/gateway/wire/test_event_size.py",
    "gateway/wire/twilio/jitter_buffer.py": "tests/gateway/wire/twilio/test_codec.py",
    "gateway/wire/twilio/messages.py": "tests/gateway/wire/twilio/test_codec.py",
    "gateway/wire/wyoming/framing.py": "tests/gateway/wire/wyoming/test_codec.py",
    "clients/bench/endpoint.py": "tests/clients/bench/test_stream_run.py",
    "clients/bench/goodput.py": "tests/clients/bench/test_measure.py",
    "clients/bench/invented.py": "tests/clients/bench/test_measure.py",
    "clients/bench/limits.py": "tests/clients/bench/test_measure.py",
    "clients/bench/measured_stream.py": "tests/clients/bench/test_measure.py",
    "clients/bench/report/definitions.py": "tests/clients/bench/report/test_page.py",
    "clients/bench/report/detail_tables.py": "tests/clients/bench/report/test_page.py",
    "clients/bench/report/lag_section.py": "tests/clients/bench/report/test_page.py",
    "clients/bench/report/overview.py": "tests/clients/bench/report/test_page.py",
    "clients/bench/report/setup_section.py": "tests/clients/bench/report/test_page.py",
    "clients/bench/report/timeline_section.py": "tests/clients/bench/report/test_page.py",
    "clients/bench/result.py": "tests/clients/bench/report/test_schema.py",
    "clients/bench/stability.py": "tests/clients/bench/test_measure.py",
    "clients/bench/trace.py": "tests/clients/bench/test_measure.py",
    "clients/bench/withheld.py": "tests/clients/bench/test_measure.py",
    "clients/connection.py": "tests/clients/test_resuming.py",
    "clients/dialects/driver.py": "tests/clients/dialects/test_session.py",
    "clients/dialects/single_connection.py": "tests/contracts/test_dialect_drivers.py",
    "clients/interrupts.py": "tests/gateway/cli/test_main.py",
    "clients/microphone.py": "tests/gateway/cli/test_main.py",
    "clients/reconnect.py": "tests/clients/test_resuming.py",
}
"""Modules that are tested by the tests of another: types and tables by those who use them, an inner part by its whole,
the edges of the system through the system."""


def named_modules() -> list[Path]:
    return [path for path in modules() if not path.stem.startswith("__")]


def own_tests(path: Path) -> Path:
    name = path.relative_to(ROOT)
    return ROOT / "tests" / name.parent / f"test_{name.stem}.py"


@pytest.mark.parametrize("path", named_modules(), ids=name_of)
def test_every_module_has_tests_of_its_name_or_is_named_with_those_that_test_it(path: Path) -> None:
    other = TESTED_BY.get(name_of(path))
    if other is None:
        assert own_tests(path).exists(), f"no {own_tests(path).relative_to(ROOT)}"
    else:
        assert (ROOT / other).exists()
        assert not own_tests(path).exists(), "it has tests of its own: take it out of the table"


def test_the_table_names_no_module_that_is_gone() -> None:
    assert set(TESTED_BY) <= {name_of(path) for path in modules()}
