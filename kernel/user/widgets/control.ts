/** Buttons that drive a generator: play, pause, one step, stop. */
import { display } from '../display.ts';
import { createWidget, type Widget } from './widget.ts';

type Status = 'playing' | 'paused' | 'stopped' | 'done';

interface ControlState {
  status: Status;
  /** Steps taken. */
  step: number;
  /** Single steps asked for. */
  asked: number;
  label: string;
}

export interface ControlOptions {
  label?: string;
  /** Wait for the first press of play or step. */
  paused?: boolean;
}

const MODULE = `
export default {
  render({ model, el }) {
    const label = document.createElement('code');
    const button = (text, title, press) => {
      const made = Object.assign(document.createElement('button'), { textContent: text, title, onclick: press });
      made.className = 'rf-' + title;
      return made;
    };
    const set = (changed) => { for (const key in changed) model.set(key, changed[key]); model.save_changes(); };
    const play = button('▶', 'play', () => set({ status: model.get('status') === 'playing' ? 'paused' : 'playing' }));
    const step = button('▶❙', 'step', () => set({ status: 'paused', asked: model.get('asked') + 1 }));
    const stop = button('■', 'stop', () => set({ status: 'stopped' }));
    const draw = () => {
      const status = model.get('status');
      const isOver = status === 'stopped' || status === 'done';
      play.textContent = status === 'playing' ? '❙❙' : '▶';
      for (const one of [play, step, stop]) one.disabled = isOver;
      label.textContent = model.get('label') + ' step ' + model.get('step') + ' · ' + status;
    };
    el.append(play, step, stop, ' ', label);
    model.on('change', draw);
    draw();
    return () => model.off('change', draw);
  },
};
`;

/**
 * Passes the generator's steps through under a row of buttons: `for await (const step of widgets.control(run)) ...`.
 * Pause holds it before the next step, stop ends it as `break` would, so that its own `finally` runs.
 */
export async function* control<T>(
  steps: Iterable<T> | AsyncIterable<T>,
  options: ControlOptions = {},
): AsyncGenerator<T, void, undefined> {
  const status: Status = options.paused ? 'paused' : 'playing';
  const state: ControlState = { status, step: 0, asked: 0, label: options.label ?? '' };
  const widget = createWidget(state, { module: MODULE, text: `<buttons of ${options.label ?? 'a run'}>` });
  display(widget);
  let taken = 0;
  try {
    if (!(await permission(widget, taken))) return;
    for await (const step of steps) {
      taken = Math.min(taken + 1, widget.state.asked);
      widget.set({ step: widget.state.step + 1 });
      yield step;
      if (!(await permission(widget, taken))) return;
    }
  } finally {
    if (!isStopped(widget)) widget.set({ status: 'done' });
  }
}

/** Waits while the run is paused and no further step has been asked for; false once it is stopped. */
async function permission(widget: Widget<ControlState>, taken: number): Promise<boolean> {
  // Lets messages of the buttons in, also when the generator itself never waits.
  await new Promise((resolve) => setImmediate(resolve));
  const mayGo = (): boolean => widget.state.status !== 'paused' || widget.state.asked > taken;
  if (mayGo()) return !isStopped(widget);
  await new Promise<void>((resolve) => {
    const stop = widget.onChange(() => {
      if (!mayGo()) return;
      stop();
      resolve();
    });
  });
  return !isStopped(widget);
}

function isStopped(widget: Widget<ControlState>): boolean {
  return widget.state.status === 'stopped';
}
