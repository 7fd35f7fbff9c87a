// A JavaScript client that needs only the WebSocket of Node 22 or later: raw PCM in, captions out.
//
// ffmpeg -i FILE -f s16le -ar 16000 -ac 1 - | node examples/client.mjs ws://127.0.0.1:8000/v1/stream

const AHEAD_BYTES = 45 * 32000; // docs/protocol.md, the send-ahead rule

const socket = new WebSocket(process.argv[2] ?? "ws://127.0.0.1:8000/v1/stream");
let processed = 0;
let wake = () => {};

socket.onopen = async () => {
  socket.send(JSON.stringify({ type: "start", audio: { encoding: "pcm_s16le", sample_rate_hz: 16000 } }));
  let sent = 0;
  for await (const piece of process.stdin) {
    socket.send(piece);
    sent += piece.length;
    while (sent - processed > AHEAD_BYTES) await new Promise((resolve) => (wake = resolve));
  }
  socket.send(JSON.stringify({ type: "stop" }));
};

socket.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  if (message.type === "ack") {
    processed = 2 * message.processed_samples;
    wake();
  } else if (message.type === "final") {
    console.log(`${message.start_s.toFixed(2)} s  ${message.text}`);
  } else if (message.type === "error") {
    console.error(`${message.code}: ${message.message}`);
  }
};

socket.onclose = ({ code }) => process.exit(code === 1000 ? 0 : 1);
