import { CopyButton } from './copy-button.tsx';
import { Scroll } from './scroll.tsx';

/** Something to paste elsewhere. */
export function Snippet({ title, code }: { title: string; code: string }) {
  return (
    <section className="panel min-w-0 overflow-hidden">
      <div className="flex items-center justify-between border-b border-line px-3 py-1.5">
        <h2 className="text-sm">{title}</h2>
        <CopyButton text={code} what={title} />
      </div>
      <Scroll label={title}>
        <pre className="p-3 font-mono text-[13px] leading-snug">
          <code>{code}</code>
        </pre>
      </Scroll>
    </section>
  );
}
