#!/usr/bin/env node
/**
 * `reward-forcing`: the demo, single samples, what is installed, the kernel and notebooks. Each command loads what it
 * needs when it runs, so that help and the kernel start at once.
 */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { DemoFlags } from './cli/demo.ts';
import type { EvaluateFlags } from './cli/evaluate.ts';
import { exitCodeOf, explain, guardOutput } from './cli/failure.ts';
import type { InstallFlags } from './cli/install.ts';
import { handOver } from './cli/kernel-program.ts';
import type { SampleFlags } from './cli/sample.ts';
import type { WanSampleFlags } from './cli/sample-wan.ts';
import { packageVersion } from './io/internal.ts';

guardOutput();
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const [first = ''] = args;
  try {
    if (['kernel', 'notebook', 'lab'].includes(first)) return await handOver(args);
    await program().parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(`${explain(error, args.includes('--verbose'))}\n`);
    return exitCodeOf(error);
  }
}

function program(): Command {
  const root = new Command('reward-forcing')
    .description('Reward-driven autoregressive video generation: the method at small scale, and a Jupyter kernel')
    .version(packageVersion())
    .option('--verbose', 'print the stack of an error')
    .exitOverride()
    .showHelpAfterError('(use --help for the commands and their options)');
  addDemo(root);
  addSample(root);
  addEvaluate(root);
  root
    .command('doctor')
    .description('what is installed, what is missing, and the command for each')
    .option('--weights <file>', 'describe a file of weights instead')
    .action(async (flags: { weights?: string }) => (await import('./cli/doctor.ts')).doctor(flags));
  addEngineInstall(root);
  root
    .command('licences')
    .description('the licence of every package that runs with this one')
    .action(async () => void process.stdout.write(`${(await import('./cli/licences.ts')).licences()}\n`));
  // Only for the help text: these go to the kernel's own command line before this one is read.
  root.command('kernel').description('install the Jupyter kernel: kernel install [--user | --prefix FOLDER]');
  root.command('notebook').description('run a notebook without Python: notebook run FILE [--html FILE]');
  root.command('lab').description('start JupyterLab with the kernel, in an environment of its own');
  return root;
}

function addDemo(root: Command): void {
  const command = root
    .command('demo')
    .description('the whole method at small scale: report, results and clips, in minutes')
    .option('--out <folder>', 'where to write', 'out')
    .option('--weights <folder>', 'weights to start from; with --from-scratch, where to put them')
    .option('--from-scratch', 'train everything first: hours; continues where it stopped')
    .option('--recipe <name>', 'sizes to train with --from-scratch: study, or smoke for tests', 'study');
  addEngine(command).action(async (flags: DemoFlags) => (await import('./cli/demo.ts')).demo(flags));
}

function addSample(root: Command): void {
  const command = root
    .command('sample')
    .description('one clip for a prompt')
    .argument('<prompt>', 'for example "a red digit three moves left slowly"')
    .option('--seed <seed>', 'of the noise; with --model -1 draws one', '0')
    .option('--network <name>', 'teacher, distilled, ode (phase 1) or reward-forcing (default, phase 2)')
    .option('--out <file>', 'an .mp4, .webp or .png file (default: out/sample.mp4, .webp without ffmpeg)')
    .option('--weights <folder>', 'a folder of small-scale weights with its manifest')
    .option('--model <folder>', 'an official Wan2.1 folder in place of the small scale; the options below are for it')
    .option('--student <file>', 'a causal student (.pt, .safetensors) in place of its transformer: four steps a block')
    .addOption(
      new Option('--lora <file[:scale]>', 'a LoRA over the transformer, or several: repeat it').argParser(
        (text: string, before: readonly string[] = []) => [...before, text],
      ),
    )
    .option('--window <frames>', 'latent frames that a student looks back on: its cache rolls (default: all)')
    .option('--sink <frames>', 'first latent frames that stay in a rolling cache (default 0)')
    .option('--size <WxH>', 'pixels (default 832x480)')
    .option('--frames <count>', '1 + a multiple of 4 (default 81)')
    .option('--steps <count>', 'of the solver (default 50)')
    .option('--guidance <scale>', '1 goes without the negative prompt (default 6, for 14B 5)')
    .option('--shift <factor>', 'of the noise levels (default 8, for 14B 5)')
    .option('--solver <name>', 'unipc, dpm++, euler or heun (default unipc)')
    .option('--negative <prompt>', "what to avoid (default: Wan's own text)")
    .option('--blocks <place>', 'where weights wait: resident, host, host-bfloat16 or file (default resident)');
  addEngine(command).action(async (prompt: string, flags: SampleFlags & Partial<WanSampleFlags>) => {
    const { model } = flags;
    const { checkFlags, sampleWan } = await import('./cli/sample-wan.ts');
    checkFlags(flags);
    if (model !== undefined) return sampleWan(prompt, { ...flags, model });
    return (await import('./cli/sample.ts')).sample(prompt, flags);
  });
}

function addEvaluate(root: Command): void {
  const command = root
    .command('evaluate')
    .description(
      "measure a folder of any model's videos: JSON, a table and a page with clips; goes on where it stopped",
    )
    .argument('<folder>', 'videos named as VBench wants them (prompt-index.mp4), or listed in a manifest')
    .option('--out <folder>', 'where to write', 'out/evaluation')
    .option('--manifest <file>', 'JSON: { "file": "prompt" }, or entries with file, prompt, seed and style')
    .option('--suite <file>', "VBench's VBench_full_info.json: each dimension on its own prompts, as the leaderboard")
    .option('--weights <folder>', "official weights under VBench's file names, for its own dimensions")
    .option('--dimensions <names>', 'only these of the official dimensions, with commas between', namesOf)
    .option('--results <path>', 'results that VBench has written (JSON, folder or leaderboard zip)')
    .option('--vbench <program>', "run VBench's own command line for the dimensions that only it computes")
    .addOption(new Option('--clips <count>', 'clips shown on the page').default(12).argParser(wholeNumber))
    .addOption(new Option('--max-frames <count>', 'most frames read of a video').argParser(wholeNumber));
  addEngine(command).action(async (folder: string, flags: EvaluateFlags) =>
    (await import('./cli/evaluate.ts')).evaluateFolder(folder, flags),
  );
}

function namesOf(text: string): string[] {
  return text.split(',').map((name) => name.trim());
}

function addEngineInstall(root: Command): void {
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  root
    .command('engine')
    .description('libraries and programs that are fetched on demand')
    .command('install')
    .addArgument(
      new Argument('<name>', 'the engine xla or tensorflow, or ffmpeg').choices(['xla', 'tensorflow', 'ffmpeg']),
    )
    .description(
      "xla's plugin by pip, into .venv-xla; tensorflow's library by pip, into .venv-tensorflow; ffmpeg by npm, into " +
        "the user's cache",
    )
    .option('--gpu', 'tensorflow: the wheel for NVIDIA GPUs')
    .option('--cpu', 'xla: the plugin for processors, for tests')
    .option('--cuda12', 'xla: the plugin for NVIDIA GPUs with CUDA 12, and its libraries')
    .option('--cuda13', 'xla: the same with CUDA 13')
    .action(async (name: 'xla' | 'tensorflow' | 'ffmpeg', flags: InstallFlags) => {
      process.stdout.write(`${await (await import('./cli/install.ts')).install(name, flags, say)}\n`);
    });
}

function addEngine(command: Command): Command {
  return command
    .addOption(new Option('--engine <name>', 'onnx, xla, tensorflow, cpu or auto').default('auto'))
    .addOption(new Option('--threads <count>', 'threads to compute on').argParser(wholeNumber));
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('want a whole number of at least 1.');
  return value;
}
