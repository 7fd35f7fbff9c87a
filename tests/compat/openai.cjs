// Streams 24 kHz PCM from standard input to a Realtime session with OpenAI's own client, which speaks wss only, and prints
// each event as a line of JSON.
// node openai.cjs HOST:PORT

const { OpenAI } = require("openai");
const { OpenAIRealtimeWS } = require("openai/realtime/ws");

const MESSAGE_BYTES = 4800;

async function main(host) {
  const client = new OpenAI({ apiKey: "any", baseURL: `https://${host}/v1` });
  const realtime = new OpenAIRealtimeWS({ model: "gpt-4o-transcribe" }, client);
  const settled = new Promise((resolve, reject) => {
    let [open, isCleared] = [0, false];
    realtime.on("event", (event) => {
      console.log(JSON.stringify(event));
      isCleared ||= event.type === "input_audio_buffer.cleared";
      open += event.type === "input_audio_buffer.committed";
      open -= event.type === "conversation.item.input_audio_transcription.completed";
      if (isCleared && open === 0) resolve();
    });
    realtime.on("error", reject);
  });
  await new Promise((resolve) => realtime.socket.on("open", resolve));
  const input = { transcription: { model: "gpt-4o-transcribe" }, turn_detection: { type: "server_vad" } };
  realtime.send({ type: "session.update", session: { type: "transcription", audio: { input } } });
  const pieces = [];
  for await (const piece of process.stdin) pieces.push(piece);
  const audioBytes = Buffer.concat(pieces);
  for (let at = 0; at < audioBytes.length; at += MESSAGE_BYTES) {
    const audio = audioBytes.subarray(at, at + MESSAGE_BYTES).toString("base64");
    realtime.send({ type: "input_audio_buffer.append", audio });
  }
  realtime.send({ type: "input_audio_buffer.clear" });
  await settled;
  realtime.close();
}

main(process.argv[2]);
