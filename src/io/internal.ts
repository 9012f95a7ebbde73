/** What the library's other layers need of io besides its public surface; it may change from one version to the next. */

export { toByte } from './clip.ts';
export { ifAbsent, packageRoot, packageVersion, prepareFolder, refusalOf, syncFolder } from './files.ts';
export { bytesOf, bytesPerElement, elementCount, viewBytes } from './host-tensor.ts';
export { addPngText, encodePng, enlargement, frameImage, repeatPixels } from './image.ts';
export type { PickleValue } from './pickle-value.ts';
export { type PngPixels, readPng } from './png.ts';

export { ffmpegFolder, findFfmpeg, runFfmpeg } from './video-ffmpeg.ts';
export { type ClipsToWrite, encodeVideo, probeCodec, writeClips } from './video-write.ts';
export { toBfloat16, toFloat16 } from './widen.ts';
