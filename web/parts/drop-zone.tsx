/** Files by dropping them, or by choosing them: the same for a mouse and a keyboard. */
import { type DragEvent, useEffect, useId, useRef, useState } from 'react';

export function DropZone({
  label,
  hint,
  accept,
  folder = false,
  take,
}: {
  label: string;
  hint: string;
  accept?: string;
  /** Whether a whole folder may be chosen. */
  folder?: boolean;
  take: (files: File[]) => void;
}) {
  const [over, setOver] = useState(false);
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was chosen before this page's scripts had come
  useEffect(() => {
    if (input.current?.files?.length) take([...input.current.files]);
  }, []);
  const drop = async (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(await droppedFiles(event.dataTransfer));
  };
  return (
    <fieldset
      aria-labelledby={id}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
      className={`flex min-w-0 flex-col items-center gap-2 rounded-lg border-2 border-dashed p-4 text-center sm:p-8 ${over ? 'border-accent bg-sunken' : 'border-line'}`}
    >
      <label id={id} className="flex max-w-full min-w-0 flex-col items-center gap-2 font-medium">
        {label}
        <input
          ref={input}
          type="file"
          multiple={folder}
          accept={accept}
          className="max-w-full font-normal"
          onChange={(event) => event.target.files && take([...event.target.files])}
        />
      </label>
      <p className="max-w-full text-sm break-words text-quiet">{hint}</p>
    </fieldset>
  );
}

/** Files themselves, and those directly inside of folders. */
async function droppedFiles({ items, files }: DataTransfer): Promise<File[]> {
  const entries = [...items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const folders = entries.filter((entry) => entry.isDirectory) as FileSystemDirectoryEntry[];
  if (folders.length === 0) return [...files];
  return (await Promise.all(folders.map(filesOf))).flat();
}

async function filesOf(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const reader = folder.createReader();
  const found: File[] = [];
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (entries.length === 0) return found; // it hands them out a hundred at a time
    for (const entry of entries)
      if (entry.isFile)
        found.push(
          await new Promise((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)),
        );
  }
}
