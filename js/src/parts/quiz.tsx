// Judging a label blind: one question after the other, the key stays in Python; the score stands among the meters.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { plain } from "../signs";
import type { DashboardView } from "../views/featuredashboard";
import * as common from "../words/common";
import * as words from "../words/dashboard";

/** A sheet as Python sends it. */
export interface Quiz {
  label: string;
  questions: { kind: string; text: string }[];
}

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
    <section class="quiz" aria-label={words.judge} tabIndex={-1} ref={box} onKeyDown={key}>
      <div class="dbar">
        <h3>{words.judge}</h3>
        <span class="sub">
          {words.saidToMean(
            question ? words.questionOf(at + 1, quiz.questions.length) : words.done,
            plain(quiz.label, 80),
          )}
        </span>
        <span class="sp" />
        <button type="button" class="plain" onClick={() => (state.quiz.value = null)}>
          {question ? common.stop : words.close}
        </button>
      </div>
      {question ? (
        <>
          <p>{words.asks[question.kind]}</p>
          <blockquote class="tk" aria-live="polite">
            {plain(question.text, 2000)}
          </blockquote>
          <div class="dbar acts">
            <button type="button" class="btn" onClick={() => answer(true)}>
              {words.yes} <kbd>y</kbd>
            </button>
            <button type="button" class="btn" onClick={() => answer(false)}>
              {words.no} <kbd>n</kbd>
            </button>
            <button type="button" class="plain" onClick={() => answer(null)}>
              {words.skip}
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
  words.guessing(scores.map(({ name, value, n }) => words.score(plain(name, 40), value, n)).join(" · "));
