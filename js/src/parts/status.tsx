// One line that says whether the picture is true: counts, progress with a stop, stale, disabled. Its height is reserved.
import type { ComponentChildren } from "preact";
import { plain } from "../signs";
import { type BaseView, disabledReason, type View } from "../view";
import * as common from "../words/common";
import * as words from "../words/frame";

function left(seconds: number): string {
  return seconds > 0 && Number.isFinite(seconds) ? ` · ${words.secondsLeft(Math.ceil(seconds))}` : "";
}

const started = new WeakMap<object, number>();

export function Status({ view }: { view: View }) {
  const payload = view.state.payload.value;
  return (
    <Working view={view} stale={words.staleText}>
      {payload && common.tokens(payload.tokens.text.length)}
      {payload && payload.context.milliseconds > 0 && ` · ${words.milliseconds(payload.context.milliseconds)}`}
    </Working>
  );
}

interface WorkingProps {
  view: BaseView;
  /** What is in view while it is not what was asked. */
  stale: string;
  /** What is said at rest. */
  children?: ComponentChildren;
}

/** Why nothing can be asked, how far the work is, that the picture is stale; at rest its children. */
export function Working({ view, stale: shown, children }: WorkingProps) {
  const { state } = view;
  const { stale, busy, progress } = state.requests;
  const reason = state.live.value ? disabledReason(state) : "";
  if (reason) return <span class="sub status">{reason}</span>;
  if (!busy.value) started.delete(state);
  else if (!started.has(state)) started.set(state, performance.now());
  const stop = (
    <button type="button" class="link" onClick={() => state.requests.cancel()}>
      {common.stop}
    </button>
  );
  if (progress.value && busy.value) {
    const { done, total, note } = progress.value;
    const passed = (performance.now() - (started.get(state) ?? 0)) / 1000;
    return (
      <span class="sub status">
        {plain(note, 80) || words.working}
        {total > 0 && ` ${common.ofTotal(done, total)}`}
        {done > 0 && passed > 2 && left((passed * (total - done)) / done)}
        {" · "}
        {stop}
      </span>
    );
  }
  if (stale.value) {
    return (
      <span class="sub status">
        {shown} · {stop}
      </span>
    );
  }
  return <span class="sub status">{state.payload.value ? children : busy.value ? words.working : ""}</span>;
}

/** The top edge: solid while refining, dashed while stale. Takes no room. */
export function Edge({ view }: { view: BaseView }) {
  const { stale, progress, busy } = view.state.requests;
  if (progress.value && busy.value) {
    const { done, total } = progress.value;
    const share = total > 0 ? Math.min(1, Math.max(0, done / total)) : 0.5;
    return (
      <div class="edge pg" aria-hidden="true">
        <i style={{ width: `${share * 100}%` }} />
      </div>
    );
  }
  return stale.value ? <div class="edge dash" aria-hidden="true" /> : null;
}

/** What went wrong, the value, what to do. */
export function Failed({ view }: { view: BaseView }) {
  const failure = view.state.failure.value;
  if (!failure) return null;
  return (
    <div class="er" role="alert">
      <b>{plain(failure.what, 1000)}</b> {plain(failure.todo, 1000)}
    </div>
  );
}
