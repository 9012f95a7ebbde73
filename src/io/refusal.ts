const refusals: Readonly<Record<string, string>> = {
  EACCES: 'there is no permission to write to it',
  EPERM: 'there is no permission to write to it',
  EROFS: 'its file system is read-only',
  ENOSPC: 'its file system is full',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'a part of the path is a file',
};

/** Why the file system refused to write to a folder, in words; undefined for errors of any other kind. */
export function refusalOf(error: unknown): string | undefined {
  return refusals[(error as NodeJS.ErrnoException).code ?? ''];
}
