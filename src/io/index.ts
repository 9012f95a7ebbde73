/**
 * Files and what they hold, without an engine: videos as clips in [0, 1], pictures, tensors of safetensors and PyTorch
 * files. What only the library's other layers need is in internal.ts.
 */
export { type Clip, clipFrame, createClip, fromSigned, joinClips, sliceClip } from './clip.ts';
export { type FileContent, readJsonObject, writeAtomic } from './files.ts';
export { type HostData, type HostDType, type HostTensor, hostTensor } from './host-tensor.ts';
export { type Provenance, type RgbImage, readImage } from './image.ts';
export { openPth, type PthFile } from './pth.ts';
export type { PthTensor } from './pth-tensor.ts';
export { type PthContent, writePth } from './pth-write.ts';
export { PthError } from './pth-zip.ts';
export { openSafetensors, openShards, readSafetensors, type SafetensorsFile, writeSafetensors } from './safetensors.ts';
export { SafetensorsError, type TensorInfo } from './safetensors-header.ts';
export { FfmpegError } from './video-ffmpeg.ts';
export {
  type OpenVideoOptions,
  openVideo,
  type ReadVideoOptions,
  readVideo,
  type VideoReader,
} from './video-read.ts';
export { type EncodedVideo, type VideoCodec, type VideoOptions, writeVideo } from './video-write.ts';
export { toFloat32 } from './widen.ts';
