import type { study } from '../index.ts';

/** What progress is written to: standard error, or a stand-in for it. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Time between lines of one stage. */
const INTERVAL_MS = { terminal: 100, plain: 5000 };

/** A line of progress: updated in place on a terminal, plain lines at each stage and every five seconds elsewhere. */
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
    const interval = this.#stream.isTTY ? INTERVAL_MS.terminal : INTERVAL_MS.plain;
    if (!isNew && !isLast && now - this.#written < interval) return;
    this.#written = now;
    this.#show(describe(progress, this.#first, (now - this.#started) / 1000));
  }

  /** A line of its own. */
  say(text: string): void {
    this.end();
    this.#stream.write(`${text}\n`);
  }

  /** Closes the line that is being updated. */
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
  const left = done > first && done < total ? `, ${duration((seconds / (done - first)) * (total - done))} left` : '';
  const numbers = Object.entries(values)
    .slice(0, 3)
    .map(([name, value]) => ` ${name} ${Number.isInteger(value) ? value : value.toPrecision(3)}`)
    .join('');
  if (total === 1) return stage;
  return `${stage}: ${done}/${total}${numbers} (${duration(seconds)}${left})`;
}

function duration(seconds: number): string {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
