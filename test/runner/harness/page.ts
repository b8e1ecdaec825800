import { supplyFrames } from "../../../src/runner/frame-supply.ts";

/** As in the app: the page opens frames for the trainer's worker, and does nothing else. Reports go to the test. */
const [scenario, report] = decodeURIComponent(location.hash.slice(1)).split("@") as [string, string];
const worker = new Worker(new URL("./trainer.worker.ts", import.meta.url), { type: "module" });
const { port1, port2 } = new MessageChannel();
supplyFrames(port1, {
  page: { url: new URL(scenario === "missing" ? "./missing.html" : "./runner.html", document.baseURI) },
});
const send = (value: unknown): void => {
  void fetch(report, { method: "POST", mode: "no-cors", body: JSON.stringify(value) });
};
worker.onmessage = ({ data }) => {
  send(data);
};
worker.onerror = ({ message }) => {
  send({ error: message });
};
worker.postMessage({ scenario }, [port2]);
