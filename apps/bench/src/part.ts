import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { repositoryRoot } from '@syncline/runtime';

/** What a part can be asked: by name, what it is told and what it answers. Everything must survive JSON. */
export type Questions = Record<string, { readonly told: unknown; readonly answer: unknown }>;

type Message = { readonly question: string; readonly told: unknown };
type Reply = { readonly answer: unknown } | { readonly failure: string };

/** A process of its own that takes part in a measurement, so that it has its own heap and its processor time can be told apart. */
export interface Part<Q extends Questions> {
  /** Asks one question at a time. Rejects with what went wrong in the part, when it ends, and when it takes longer than 20 minutes. */
  ask<Name extends keyof Q & string>(question: Name, told: Q[Name]['told']): Promise<Q[Name]['answer']>;
  /** Ends it; idempotent. */
  stop(): Promise<void>;
}

const ANSWER_TIMEOUT_MS = 20 * 60_000;

/** Starts `<script>.js` of the built benchmarks. */
export function startPart<Q extends Questions>(script: string): Part<Q> {
  const child = fork(path.join(repositoryRoot, 'apps', 'bench', 'dist', `${script}.js`), [], {
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  return {
    ask: (question, told) => answerOf(child, script, question, { question, told }),
    stop: async () => {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

function answerOf<Answer>(child: ChildProcess, script: string, question: string, message: Message): Promise<Answer> {
  return new Promise<Answer>((resolve, reject) => {
    const fail = (reason: string): void => settle(() => reject(new Error(`${script} did not answer ${question}: ${reason}`)));
    const onExit = (code: number | null, signal: NodeJS.Signals | null): void => fail(`it ended (${signal ?? code})`);
    const onMessage = (reply: Reply): void => {
      if ('failure' in reply) fail(reply.failure);
      else settle(() => resolve(reply.answer as Answer));
    };
    const tooLate = setTimeout(() => fail(`${ANSWER_TIMEOUT_MS / 60_000} minutes are over`), ANSWER_TIMEOUT_MS);
    const settle = (end: () => void): void => {
      clearTimeout(tooLate);
      child.off('message', onMessage);
      child.off('exit', onExit);
      end();
    };
    child.on('message', onMessage);
    child.once('exit', onExit);
    if (child.exitCode !== null || child.signalCode !== null) onExit(child.exitCode, child.signalCode);
    else child.send(message, (error) => error && fail(error.message));
  });
}

/** Makes this process a part: answers what its parent asks, and ends with it. */
export function takePart<Q extends Questions>(
  answers: {
    readonly [Name in keyof Q]: (told: Q[Name]['told']) => Promise<Q[Name]['answer']>;
  },
): void {
  process.once('disconnect', () => process.exit(0));
  process.on('message', ({ question, told }: Message) => {
    const send = (reply: Reply): void => void process.send?.(reply, undefined, undefined, () => {});
    Promise.resolve(answers[question]?.(told)).then(
      (answer) => send({ answer }),
      (error: unknown) => send({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
}
