// Judging a label blind: one question after the other, the key stays in Python; the score stands among the meters.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { probability } from "../format";
import { plain } from "../signs";
import type { DashboardView } from "../views/featuredashboard";

/** A sheet as Python sends it. */
export interface Quiz {
  label: string;
  questions: { kind: string; text: string }[];
}

const ASKS: Readonly<Record<string, string>> = {
  detection: "Is the feature active somewhere in this text?",
  fuzzing: "Is it active on the tokens between << and >>, and not on others?",
};

export function Judge({ view, quiz }: { view: DashboardView; quiz: Quiz }) {
  const { state } = view;
  const answers = useSignal<(boolean | null)[]>([]);
  const scores = useSignal("");
  const box = useRef<HTMLElement>(null);
  const at = answers.value.length;
  const question = quiz.questions[at];
  useEffect(() => {
    box.current?.focus();
  }, []);
  const answer = async (value: boolean | null) => {
    if (!question) return;
    answers.value = [...answers.value, value];
    if (answers.value.length === quiz.questions.length) scores.value = await state.grade(answers.value);
  };
  const key = (event: KeyboardEvent) => {
    const value = { y: true, n: false, s: null }[event.key.toLowerCase()];
    if (event.key === "Escape") state.quiz.value = null;
    else if (value !== undefined && !event.ctrlKey && !event.metaKey) answer(value);
    else if (event.key === "Backspace" && question) answers.value = answers.value.slice(0, -1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <section class="quiz" aria-label="Judge it blind" tabIndex={-1} ref={box} onKeyDown={key}>
      <div class="dbar">
        <h3>Judge it blind</h3>
        <span class="sub">
          {question ? `${at + 1} of ${quiz.questions.length}` : "done"} · said to mean “{plain(quiz.label, 80)}”
        </span>
        <span class="sp" />
        <button type="button" class="plain" onClick={() => (state.quiz.value = null)}>
          {question ? "stop" : "close"}
        </button>
      </div>
      {question ? (
        <>
          <p>{ASKS[question.kind]}</p>
          <blockquote class="tk" aria-live="polite">
            {plain(question.text, 2000)}
          </blockquote>
          <div class="dbar acts">
            <button type="button" class="btn" onClick={() => answer(true)}>
              Yes <kbd>y</kbd>
            </button>
            <button type="button" class="btn" onClick={() => answer(false)}>
              No <kbd>n</kbd>
            </button>
            <button type="button" class="plain" onClick={() => answer(null)}>
              skip
            </button>
          </div>
        </>
      ) : (
        <p aria-live="polite">{scores.value || "…"}</p>
      )}
    </section>
  );
}

/** "detection 0.90 (10 questions)". */
export const scored = (scores: { name: string; value: number; n: number }[]): string =>
  scores.map(({ name, value, n }) => `${plain(name, 40)} ${probability(value)}, ${n} answers`).join(" · ") +
  ". Guessing gives 0.50.";
