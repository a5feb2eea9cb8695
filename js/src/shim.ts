// The `_esm` of a widget served by carriers: finds the files of its code, each once a page by the hash of its content.
import * as words from "./words/frame";

interface Model {
  get(name: string): unknown;
  on(event: string, listener: (message: { type?: string; hash?: string }, buffers: DataView[]) => void): void;
  off(event: string, listener: unknown): void;
  send(message: unknown): void;
}
interface Host {
  getModel(ref: string): Promise<Model>;
}
interface Bundle {
  mount(context: unknown): () => void;
}
/** One file: its module, and the address by which the next file imports it. */
interface File {
  url: string;
  module: Bundle;
}
interface Context {
  model: Model;
  el: HTMLElement;
  host?: Host;
  signal?: AbortSignal;
}

const KEY = Symbol.for("saewidgets");
/** A carrier that is slower than this (marimo waits 10 s for a model it does not have) is not waited for. */
const PATIENCE = 800;

async function load(code: string, before: string): Promise<File> {
  const url = URL.createObjectURL(new Blob([code.replace("./live.js", before)], { type: "text/javascript" }));
  return { url, module: await import(url) };
}

/** The code from a hidden carrier model. */
async function push({ host }: Context, hash: string, ref: string): Promise<string> {
  const carrier = await (host as Host).getModel(ref);
  const code = carrier.get("code");
  if (carrier.get("hash") !== hash || typeof code !== "string") throw new Error(words.otherCarrier);
  return code;
}

/** The code by a question to the widget itself: works when the carrier is gone, waits while the kernel is busy. */
function pull({ model, signal }: Context, hash: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const answer = (message: { type?: string; hash?: string }, buffers: DataView[]) => {
      if (message.type !== "bundle" || !buffers[0]) return;
      model.off("msg:custom", answer);
      if (message.hash === hash) resolve(new TextDecoder().decode(buffers[0]));
      else reject(new Error(words.otherVersion));
    };
    model.on("msg:custom", answer);
    signal?.addEventListener("abort", reject);
    model.send({ type: "bundle", hash });
  });
}

function fetchCode(context: Context, hash: string, ref: string): Promise<string> {
  const pushed = push(context, hash, ref);
  // Never once the carrier has answered: nobody asks for the bundle a second time.
  const late = new Promise<void>((resolve) => {
    const patience = setTimeout(resolve, PATIENCE);
    pushed.then(() => clearTimeout(patience), resolve);
  });
  return Promise.any([pushed, late.then(() => pull(context, hash))]);
}

/** The last file of the view; each imports the one before it. */
async function fetchFiles(context: Context): Promise<File> {
  const home = globalThis as unknown as Record<symbol, { files?: Map<string, Promise<File>> } | undefined>;
  home[KEY] ??= {};
  home[KEY].files ??= new Map();
  const { files } = home[KEY];
  const list = (trait: string) => String(context.model.get(trait)).split(" ");
  const refs = list("_carrier");
  let last: File | undefined;
  for (const [i, hash] of list("_bundle").entries()) {
    let file = files.get(hash);
    if (!file) {
      const before = last?.url ?? "";
      file = fetchCode(context, hash, refs[i] ?? "").then((code) => load(code, before));
      files.set(hash, file);
      file.catch(() => files.delete(hash));
    }
    last = await file;
  }
  return last as File;
}

async function render(context: Context, again = 2): Promise<(() => void) | undefined> {
  const { model, el, signal, host } = context;
  try {
    const { module } = await fetchFiles(context);
    return signal?.aborted ? undefined : module.mount({ model, el, signal, host });
  } catch {
    // The view that asked for a file may have been closed meanwhile: then this one asks.
    if (again && !signal?.aborted) return render(context, again - 1);
    if (!signal?.aborted) el.textContent = words.noCodeArrived;
    return undefined;
  }
}

export default { render: (context: Context) => render(context) };
