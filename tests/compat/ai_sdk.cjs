// Transcribes the file on standard input with the AI SDK, and prints what it makes of the answer as a line of JSON.
// node ai_sdk.cjs URL PACKAGE_OF_THE_SDK PACKAGE_OF_THE_PROVIDER

const { buffer } = require("node:stream/consumers");

const DEEPGRAM = "https://api.deepgram.com"; // its provider takes no base URL

const PROVIDERS = {
  openai: ({ createOpenAI }, url) => createOpenAI({ baseURL: `${url}/v1`, apiKey: "any" }).transcription("whisper-1"),
  deepgram: ({ createDeepgram }, url) => {
    const fetchHere = (input, init) => fetch(String(input).replace(DEEPGRAM, url), init);
    return createDeepgram({ apiKey: "any", fetch: fetchHere }).transcription("nova-3");
  },
};

async function main(url, sdk, provider) {
  const { transcribe, experimental_transcribe } = require(sdk);
  const kind = provider.includes("deepgram") ? "deepgram" : "openai";
  const model = PROVIDERS[kind](require(provider), url);
  const audio = await buffer(process.stdin);
  const { text, segments, language, durationInSeconds } = await (transcribe ?? experimental_transcribe)({ model, audio });
  console.log(JSON.stringify({ text, segments, language, durationInSeconds }));
}

main(...process.argv.slice(2));
