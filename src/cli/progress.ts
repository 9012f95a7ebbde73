import type { study } from '../index.ts';

/** What progress is written to: standard error, or a stand-in for it. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Time between lines of one stage; in a log a stage that takes long is told of less often. */
const INTERVAL_MS = { terminal: 100, plain: 5000, plainLater: 60_000 };
const LATER_MS = 30_000;

/** A line of progress: updated in place on a terminal, plain lines at each stage and every so often elsewhere. */
export class ProgressLine {
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  #stage = '';
  #started = 0;
  /** What was done when the stage was first heard of: a resumed one does not begin at nothing. */
  #first = 0;
  #written = 0;
  #isOpen = false;

  constructor(stream: ProgressStream = process.stderr, now: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#now = now;
  }

  update(progress: study.Progress): void {
    const now = this.#now();
    const isNew = progress.stage !== this.#stage;
    const isLast = progress.done === progress.total;
    if (isNew) {
      this.end();
      this.#stage = progress.stage;
      this.#started = now;
      this.#first = progress.done;
    }
    const inLog = now - this.#started > LATER_MS ? INTERVAL_MS.plainLater : INTERVAL_MS.plain;
    const interval = this.#stream.isTTY ? INTERVAL_MS.terminal : inLog;
    if (!isNew && !isLast && now - this.#written < interval) return;
    this.#written = now;
    this.#show(describe(progress, this.#first, (now - this.#started) / 1000));
  }

  say(text: string): void {
    this.end();
    this.#stream.write(`${text}\n`);
  }

  end(): void {
    if (this.#isOpen) this.#stream.write('\n');
    this.#isOpen = false;
    this.#stage = '';
  }

  #show(line: string): void {
    if (!this.#stream.isTTY) {
      this.#stream.write(`${line}\n`);
      return;
    }
    const { columns = 80 } = this.#stream;
    this.#stream.write(`\r\u001b[K${line.slice(0, columns - 1)}`);
    this.#isOpen = true;
  }
}

function describe({ stage, done, total, values }: study.Progress, first: number, seconds: number): string {
  if (total === 1) return stage;
  const passed = done - first;
  const pace = passed > 0 && seconds > 0 ? `, ${rate(passed / seconds)}` : '';
  const left = passed > 0 && done < total ? `, ${duration((seconds / passed) * (total - done))} left` : '';
  const numbers = Object.entries(values)
    .slice(0, 3)
    .map(([name, value]) => ` ${name} ${Number.isInteger(value) ? value : value.toPrecision(3)}`)
    .join('');
  const percent = Math.floor((100 * done) / total);
  return `${stage}: ${done}/${total} ${percent}%${numbers} (${duration(seconds)}${pace}${left})`;
}

/** How often, or where that is less than once a second how long for one. */
function rate(perSecond: number): string {
  return perSecond >= 1 ? `${Number(perSecond.toPrecision(2))}/s` : `${Number((1 / perSecond).toPrecision(2))} s each`;
}

function duration(seconds: number): string {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
