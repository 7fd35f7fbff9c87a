// Streams 16 kHz PCM from standard input with Deepgram's own client and prints each message as a line of JSON.
// node deepgram.cjs HOST:PORT

const { DeepgramClient } = require("@deepgram/sdk");

const MESSAGE_BYTES = 3200;

async function main(host) {
  const [http, ws] = [`http://${host}`, `ws://${host}`];
  const environment = { base: http, production: ws, agent: ws, agentRest: http };
  const client = new DeepgramClient({ apiKey: "any", environment });
  const connection = await client.listen.v1.connect({
    model: "nova-3",
    encoding: "linear16",
    sample_rate: 16000,
    interim_results: "true",
  });
  const closed = new Promise((resolve) => connection.on("close", resolve));
  connection.on("message", (message) => console.log(JSON.stringify(message)));
  connection.connect();
  await connection.waitForOpen();
  const pieces = [];
  for await (const piece of process.stdin) pieces.push(piece);
  const audioBytes = Buffer.concat(pieces);
  for (let at = 0; at < audioBytes.length; at += MESSAGE_BYTES) {
    connection.sendMedia(audioBytes.subarray(at, at + MESSAGE_BYTES));
  }
  connection.sendCloseStream({ type: "CloseStream" });
  const { code } = await closed;
  console.log(JSON.stringify({ type: "closed", code }));
  connection.close();
}

main(process.argv[2]);
