// The chosen cell: what it restores, the predictions before and after, its heads, and the path from it.
import { fill } from "../fill";
import { probability, signed } from "../format";
import type { PatchDetail, PatchMapPayload, PatchPath } from "../payloads";
import { asText, drawAll, plain } from "../signs";
import type { PatchView } from "../views/patchmap";
import * as common from "../words/common";
import * as words from "../words/patchmap";
import { cellOf, find, placeName } from "./cellmap";
import { PredictionRows } from "./predictions";

interface Props {
  view: PatchView;
  payload: PatchMapPayload;
}

export function CellSide({ view, payload }: Props) {
  const { state } = view;
  const cell = state.cell.value;
  const found = find(payload, cell);
  if (!found) return <p class="sub">{payload.blocks.length ? words.chooseACell : ""}</p>;
  const { block, column, at } = found;
  const value = block.values.data[at * block.values.columns + column] ?? 0;
  const detail = payload.details.find((one) => cellOf(one.node, one.position) === cell);
  const beyond = block.band !== null && Math.abs(value) > block.band;
  const live = state.live.value;
  const control = block.band === null ? common.controlReading : words.controlWithin(probability(block.band));
  return (
    <div class="cellside">
      <h3>
        {fill(words.placeAtToken, {
          place: placeName(block, column),
          token: <Token payload={payload} at={at} />,
        })}
        {detail && <span class="sub"> {words.patchedLive}</span>}
      </h3>
      <Restored
        value={value}
        beyond={beyond}
        known={block.band !== null}
        rest={`${control} · ${common.prompts(payload.n_prompts)}`}
      />
      {detail ? <Patched detail={detail} /> : <p class="sub">{live ? words.patching : words.noPredictions}</p>}
      {detail && detail.parts.length > 0 && <Heads detail={detail} />}
      <div class="acts">
        {state.pathing.value ? (
          <>
            <span class="sub">{words.chooseReceiver}</span>
            <button type="button" class="btn" onClick={() => state.arrive("logits")}>
              {words.thePrediction}
            </button>
            <button type="button" class="btn" onClick={() => state.begin()}>
              {common.stop}
            </button>
          </>
        ) : (
          <button type="button" class="btn" disabled={!live} onClick={() => state.begin()}>
            {words.patchAPath}
          </button>
        )}
        {detail && detail.parts.length > 0 && (
          <button type="button" class="btn" disabled={!live} onClick={() => state.open(cellOf(best(detail), at))}>
            {words.openHead(plain(best(detail).replace(".", " "), 24))}
          </button>
        )}
      </div>
      {payload.paths.length > 0 && <Path payload={payload} path={payload.paths.at(-1) as PatchPath} />}
    </div>
  );
}

/** The headline of a cell or a path. */
function Restored({ value, beyond, known, rest }: { value: number; beyond: boolean; known: boolean; rest: string }) {
  return (
    <>
      <div class="big">
        <span class={beyond ? "b" : "q"}>{probability(value)}</span> <span class="sub">{words.restored(rest)}</span>
      </div>
      {known && !beyond && <p class="sub">{words.noMoreThanControl}</p>}
    </>
  );
}

function Token({ payload, at }: { payload: PatchMapPayload; at: number }) {
  const name = asText(drawAll(payload.tokens)[at] ?? { runs: [], gap: false, breaks: false, cut: 0 });
  return <span class="tk">{plain(name.trim() || name, 24)}</span>;
}

function Patched({ detail }: { detail: PatchDetail }) {
  const { before, after, before_low, before_high } = detail;
  return (
    <>
      <PredictionRows
        edited
        rows={detail.words.map((text, k) => ({
          text,
          before: before[k] ?? 0,
          now: after[k] ?? 0,
          control: [before_low[k] ?? 0, before_high[k] ?? 0],
        }))}
      />
      <p class="sub">{words.marks}</p>
    </>
  );
}

/** The head that restores most. */
function best({ parts, part_values }: PatchDetail): string {
  let at = 0;
  part_values?.forEach((value, i) => {
    if (Math.abs(value) > Math.abs(part_values[at] ?? 0)) at = i;
  });
  return parts[at] ?? "";
}

function Heads({ detail: { parts, part_values, part_band } }: { detail: PatchDetail }) {
  const values = part_values ?? new Float32Array(0);
  const low = Math.min(0, -part_band, ...values);
  const high = Math.max(1e-9, part_band, ...values);
  const x = (value: number) => `${(100 * (value - low)) / (high - low)}%`;
  const long = (a: number, b: number) => `${(100 * Math.abs(a - b)) / (high - low)}%`;
  return (
    <section aria-label={words.byHead}>
      <h3>
        {words.byHead} <span class="sub">· {words.controlWithin(probability(part_band))}</span>
      </h3>
      {parts.map((name, i) => {
        const value = values[i] ?? 0;
        const inside = Math.abs(value) <= part_band;
        return (
          <div class="hrow" key={name}>
            <span class={inside ? "q" : ""}>{plain(name.replace("head.", ""), 12)}</span>
            <span class="hbar" aria-hidden="true">
              <u class="bd" style={{ left: x(-part_band), width: long(part_band, -part_band) }} />
              <u class={value < 0 ? "fall" : "rise"} style={{ left: x(Math.min(0, value)), width: long(value, 0) }} />
              <s style={{ left: x(0) }} />
            </span>
            <span class={inside ? "num q" : "num b"}>{signed(value, 2)}</span>
          </div>
        );
      })}
    </section>
  );
}

function Path({ payload, path }: { payload: PatchMapPayload; path: PatchPath }) {
  const end = (node: string, at: number) => {
    const found = find(payload, cellOf(node, at));
    const place = found ? placeName(found.block, found.column) : plain(node, 40);
    return at < 0
      ? words.thePrediction
      : fill(words.placeAtToken, { place, token: <Token payload={payload} at={at} /> });
  };
  const beyond = Math.abs(path.restored) > Math.max(Math.abs(path.low), Math.abs(path.high));
  const control = words.controlBetween(signed(path.low, 2), signed(path.high, 2));
  return (
    <section aria-label={words.path}>
      <h3>
        {end(path.sender, path.sender_position)} → {end(path.receiver, path.receiver_position)}
      </h3>
      <Restored
        value={path.restored}
        beyond={beyond}
        known
        rest={`${control} · ${common.prompts(payload.n_prompts)}`}
      />
      <p class="sub">{plain(path.propagation.replaceAll("_", " "), 80)}</p>
    </section>
  );
}
