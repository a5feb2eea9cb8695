// The `_esm` of a widget served by the carrier: finds the bundle once a page, by the hash of its content.
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
interface Context {
  model: Model;
  el: HTMLElement;
  host?: Host;
  signal?: AbortSignal;
}

const KEY = Symbol.for("saewidgets");
/** A carrier that is slower than this (marimo waits 10 s for a model it does not have) is not waited for. */
const PATIENCE = 800;

async function load(code: BlobPart): Promise<Bundle> {
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  try {
    return await import(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** The code from the hidden carrier model. */
async function push({ model, host }: Context, hash: string): Promise<string> {
  const carrier = await (host as Host).getModel(String(model.get("_carrier")));
  const code = carrier.get("code");
  if (carrier.get("hash") !== hash || typeof code !== "string") throw new Error("another carrier");
  return code;
}

/** The code by a question to the widget itself: works when the carrier is gone, waits while the kernel is busy. */
function pull({ model, signal }: Context, hash: string): Promise<BlobPart> {
  return new Promise((resolve, reject) => {
    const answer = (message: { type?: string; hash?: string }, buffers: DataView[]) => {
      if (message.type !== "bundle" || !buffers[0]) return;
      model.off("msg:custom", answer);
      if (message.hash === hash) resolve(buffers[0] as unknown as BlobPart);
      else reject(new Error("another version"));
    };
    model.on("msg:custom", answer);
    signal?.addEventListener("abort", reject);
    model.send({ type: "bundle" });
  });
}

function fetchCode(context: Context, hash: string): Promise<BlobPart> {
  const pushed = push(context, hash);
  // Never once the carrier has answered: nobody asks for the bundle a second time.
  const late = new Promise<void>((resolve) => {
    const patience = setTimeout(resolve, PATIENCE);
    pushed.then(() => clearTimeout(patience), resolve);
  });
  return Promise.any([pushed, late.then(() => pull(context, hash))]);
}

async function render(context: Context, again = true): Promise<(() => void) | undefined> {
  const { model, el, signal, host } = context;
  const home = globalThis as unknown as Record<symbol, { bundles?: Map<string, Promise<Bundle>> } | undefined>;
  home[KEY] ??= {};
  home[KEY].bundles ??= new Map();
  const { bundles } = home[KEY];
  const hash = String(model.get("_bundle"));
  try {
    if (!bundles.has(hash)) bundles.set(hash, fetchCode(context, hash).then(load));
    const bundle = await (bundles.get(hash) as Promise<Bundle>);
    return signal?.aborted ? undefined : bundle.mount({ model, el, signal, host });
  } catch {
    bundles.delete(hash);
    // The view that asked for all may have been closed meanwhile: then this one asks.
    if (again && !signal?.aborted) return render(context, false);
    if (!signal?.aborted) el.textContent = "The code of this view did not arrive. Run this cell again.";
    return undefined;
  }
}

export default { render: (context: Context) => render(context) };
