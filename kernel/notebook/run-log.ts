/** What a terminal shows of a run: cells, what they print, and the progress bars of those that take long. */
import { type Cell, cellText } from './document.ts';
import type { RunOptions } from './run.ts';

/** Time between two looks at the cell that runs. */
const EVERY_MS = { terminal: 500, plain: 5000 };

/** What the log writes to: standard output, or a stand-in for it. */
export interface LogStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Lines of a run; on a terminal the progress of a cell stays in one line. */
export class RunLog {
  readonly #isQuiet: boolean;
  readonly #stream: LogStream;
  #timer: NodeJS.Timeout | undefined;
  #heading = '';
  #bar = '';
  #started = 0;
  #isOpen = false;

  constructor(isQuiet: boolean, stream: LogStream = process.stdout) {
    this.#isQuiet = isQuiet;
    this.#stream = stream;
  }

  /** What a run tells. */
  listeners(): Pick<RunOptions, 'onCell' | 'onText' | 'onDisplay'> {
    if (this.#isQuiet) return {};
    return {
      onCell: (index, total, before) => this.#cell(index, total, before),
      onText: (text) => this.#text(text),
      onDisplay: (data) => {
        if (String(data['text/html']).includes('<progress ')) this.#bar = String(data['text/plain']);
      },
    };
  }

  /** A line of its own. */
  say(text: string): void {
    this.end();
    if (!this.#isQuiet) this.#stream.write(`${text}\n`);
  }

  /** Closes the line that is being updated, and stops looking at the cell. */
  end(): void {
    clearInterval(this.#timer);
    if (this.#isOpen) this.#stream.write('\n');
    this.#isOpen = false;
  }

  #cell(index: number, total: number, before: readonly Cell[]): void {
    const heading = headingOf(before);
    this.say(`cell ${index} of ${total}${heading === '' ? '' : `: ${heading}`}`);
    this.#heading = heading;
    this.#bar = '';
    this.#started = Date.now();
    this.#timer = setInterval(() => this.#look(), this.#stream.isTTY ? EVERY_MS.terminal : EVERY_MS.plain);
  }

  #look(): void {
    const seconds = Math.round((Date.now() - this.#started) / 1000);
    const line = `  ${seconds} s · ${this.#bar.split('\n').join(' | ') || this.#heading}`;
    if (!this.#stream.isTTY) {
      this.#stream.write(`${line}\n`);
      return;
    }
    this.#stream.write(`\r\u001b[K${line.slice(0, (this.#stream.columns ?? 80) - 1)}`);
    this.#isOpen = true;
  }

  #text(text: string): void {
    if (this.#isOpen) this.#stream.write('\n');
    this.#isOpen = false;
    this.#stream.write(text);
  }
}

/** The nearest heading above a cell. */
function headingOf(before: readonly Cell[]): string {
  const headings = before
    .filter(({ cell_type: type }) => type === 'markdown')
    .flatMap((cell) => [...cellText(cell).matchAll(/^#+ (.*)$/gm)].map(([, text]) => text as string));
  return headings.at(-1) ?? '';
}
