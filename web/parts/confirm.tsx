/** Asked before what cannot be taken back. */
import { AlertDialog } from 'radix-ui';
import type { ReactElement } from 'react';

export interface Question {
  readonly what: string;
  readonly why?: string;
  /** What the button says that does it. */
  readonly yes: string;
}

/** @param children the button that opens it */
export default function Confirm({
  what,
  why,
  yes,
  act,
  children,
}: Question & { act: () => void; children: ReactElement }) {
  return (
    <AlertDialog.Root>
      <AlertDialog.Trigger asChild>{children}</AlertDialog.Trigger>
      <AlertDialog.Portal>
        {/* Radix's own overlay writes a style element, which the page's policy forbids. */}
        <div className="fixed inset-0 z-20 bg-black/50" />
        <AlertDialog.Content className="panel fixed top-1/2 left-1/2 z-20 flex w-[min(28rem,calc(100vw-2rem))] -translate-x-1/2 -translate-y-1/2 flex-col gap-3 p-6 shadow-xl">
          <AlertDialog.Title className="break-words">{what}</AlertDialog.Title>
          <AlertDialog.Description className={why ? 'text-quiet' : 'sr-only'}>
            {why ?? 'This cannot be taken back.'}
          </AlertDialog.Description>
          <div className="mt-2 flex justify-end gap-2">
            <AlertDialog.Cancel className="button">Leave it</AlertDialog.Cancel>
            <AlertDialog.Action className="button button-primary" onClick={act}>
              {yes}
            </AlertDialog.Action>
          </div>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
