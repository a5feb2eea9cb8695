// The bundle: anywidget calls `render` where it is inline, the shim calls `mount` where a carrier brought it.
import type { AnyModel } from "./model";
import { mount } from "./mount";

export { mount };

interface Context {
  model: AnyModel;
  el: HTMLElement;
  signal?: AbortSignal;
}

export default {
  render: ({ model, el, signal }: Context) => mount(signal ? { model, el, signal } : { model, el }),
};
