import type { View } from "../view";
export function LongStrip({ view }: { view: View }) { return <div>{view.state.payload.value?.prompt}</div>; }
