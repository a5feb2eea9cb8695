// The features that tell two sets apart: AUROC beside the control band, frequencies, means, confounds; sorted, chosen.
import { useSignal } from "@preact/signals";
import { percent, probability } from "../format";
import type { ContrastFeature, ContrastPayload } from "../payloads";
import { plain } from "../signs";
import type { ContrastView } from "../views/contrast";
import * as common from "../words/common";
import * as words from "../words/contrast";

type Key = "auroc" | "frequency_positive" | "frequency_negative" | "mean_positive" | "mean_negative";
const COLUMNS: readonly [Key, string, (f: ContrastFeature) => number][] = [
  ["auroc", words.auroc, (f) => Math.abs(f.auroc - 0.5)],
  ["frequency_positive", words.activeInPositive, (f) => f.frequency_positive],
  ["frequency_negative", words.activeInNegative, (f) => f.frequency_negative],
  ["mean_positive", words.meanInPositive, (f) => f.mean_positive],
  ["mean_negative", words.meanInNegative, (f) => f.mean_negative],
];
const FEW = 12;

export function Apart({ view, payload }: { view: ContrastView; payload: ContrastPayload }) {
  const { state } = view;
  const sort = useSignal<Key>("auroc");
  const rising = useSignal(false);
  const all = useSignal(false);
  const measure = COLUMNS.find(([key]) => key === sort.value)?.[2] ?? (() => 0);
  const sign = rising.value ? 1 : -1;
  // Equal ones stay as Python ranked them.
  const rows = [...payload.features].sort((a, b) => sign * (measure(a) - measure(b)));
  const band = Math.max(payload.shuffled, payload.random);
  const { chosen } = state.now;
  const shown = all.value ? rows : rows.filter(({ id }, i) => i < FEW || chosen.includes(id));
  const head = ([key, label]: (typeof COLUMNS)[number]) => (
    <th
      key={key}
      scope="col"
      class="num"
      aria-sort={sort.value === key ? (rising.value ? "ascending" : "descending") : undefined}
    >
      <button
        type="button"
        class="plain"
        onClick={() => {
          rising.value = sort.value === key && !rising.value;
          sort.value = key;
        }}
      >
        {label}
        {sort.value === key && <span aria-hidden="true"> {rising.value ? "↑" : "↓"}</span>}
      </button>
    </th>
  );
  return (
    <section class="measures" aria-label={words.ofFeatures}>
      <div class="across">
        <table class="apart">
          <thead>
            <tr>
              <th scope="col">{words.feature}</th>
              <td class="tracks">{words.tracks}</td>
              {COLUMNS.map(head)}
            </tr>
          </thead>
          <tbody>
            {shown.map((f) => (
              <tr key={f.id} class={f.beyond ? "" : "q"}>
                <th scope="row">
                  <input
                    type="checkbox"
                    aria-label={words.choose(plain(f.id, 60))}
                    checked={chosen.includes(f.id)}
                    disabled={!state.live.value}
                    onChange={() => state.toggle(f.id)}
                  />{" "}
                  <button type="button" aria-pressed={state.feature.value === f.id} onClick={() => state.look(f.id)}>
                    <span class="id">{plain(f.id, 60)}</span> <span class="lab">{plain(f.label, 60)}</span>
                  </button>
                  {f.confound && <b class="flag">{words.follows(plain(f.confound, 60))}</b>}
                </th>
                <td class="tracks">
                  <div class="track" aria-hidden="true">
                    <i class="zone" style={{ left: `${50 - 100 * band}%`, right: `${50 - 100 * band}%` }} />
                    <i class="ci" style={{ left: `${100 * f.low}%`, right: `${100 - 100 * f.high}%` }} />
                    <i class="own" style={{ left: `${100 * f.auroc}%` }} />
                  </div>
                </td>
                <td class="num">
                  <span class={f.beyond ? "b" : ""}>{probability(f.auroc)}</span>{" "}
                  <span class="q ci-text">
                    [{probability(f.low)}, {probability(f.high)}]
                  </span>
                </td>
                <td class="num">{percent(f.frequency_positive)}</td>
                <td class="num">{percent(f.frequency_negative)}</td>
                <td class="num">{probability(f.mean_positive)}</td>
                <td class="num">{probability(f.mean_negative)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="sub">
        {rows.length > FEW && (
          <button type="button" class="link" onClick={() => (all.value = !all.value)}>
            {all.value ? common.showFewer : common.showMore(rows.length - FEW)}
          </button>
        )}{" "}
        {words.greyBand({
          band,
          shuffles: payload.n_shuffles,
          shuffled: payload.shuffled,
          dictionaries: payload.n_random,
          random: payload.random,
        })}
      </p>
    </section>
  );
}
