const LOOKS: Readonly<Record<string, string>> = {
  succeeded: 'border-good text-good',
  running: 'border-accent text-accent',
  failed: 'border-bad text-bad',
  paused: 'border-warn text-warn',
};

export function JobStatus({ status }: { status: string }) {
  return (
    <span className={`chip whitespace-nowrap ${LOOKS[status] ?? ''}`}>{status.replaceAll('_', ' ')}</span>
  );
}
