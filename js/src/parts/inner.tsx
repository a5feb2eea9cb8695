// A view inside another, drawn by its own Draw from its own model until it goes.
import { useEffect, useMemo } from "preact/hooks";
import type { Draw } from "../mount";
import type { AnyModel } from "../picture";

export function Inner({ model, draw, root }: { model: AnyModel; draw: Draw; root: HTMLElement }) {
  const ended = useMemo(() => new AbortController(), [model]);
  const { state, element } = useMemo(() => draw(model, root, ended.signal), [model]);
  useEffect(
    () => () => {
      ended.abort();
      state.close();
    },
    [state],
  );
  return <>{element}</>;
}
