/** Something that is done on the server; what it refuses is told beside it. */
import { lazy, type ReactNode, Suspense, useState } from 'react';
import { useLocation, useRevalidator } from 'react-router';
import { isSessionOver, said } from '../failure.ts';
import type { Question } from './confirm.tsx';

/** Most pages ask nothing. */
const Confirm = lazy(() => import('./confirm.tsx'));

/** Runs it, says what went wrong, and has the page ask anew for what it shows. */
export function useAction() {
  const revalidator = useRevalidator();
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>();
  const run = async (act: () => Promise<unknown>): Promise<boolean> => {
    setBusy(true);
    setFailure(undefined);
    try {
      await act();
      await revalidator.revalidate();
      return true;
    } catch (error) {
      setFailure(error);
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, failure, run };
}

export function ActionButton({
  act,
  label,
  confirm,
  className = '',
  children,
}: {
  act: () => Promise<unknown>;
  /** Where the text alone does not tell what it is about. */
  label?: string;
  /** What is asked first. */
  confirm?: Question;
  className?: string;
  children: ReactNode;
}) {
  const { busy, failure, run } = useAction();
  const button = (disabled: boolean) => (
    <button
      type="button"
      className={`button button-small ${className}`}
      aria-label={label}
      disabled={disabled}
      onClick={confirm ? undefined : () => run(act)}
    >
      {children}
    </button>
  );
  return (
    <span className="inline-flex flex-wrap items-center gap-2">
      {confirm ? (
        // A click before the question is there would do nothing.
        <Suspense fallback={button(true)}>
          <Confirm {...confirm} act={() => run(act)}>
            {button(busy)}
          </Confirm>
        </Suspense>
      ) : (
        button(busy)
      )}
      <Failure of={failure} />
    </span>
  );
}

/** @param of an error, or what is said of it; undefined: nothing went wrong */
export function Failure({ of }: { of: unknown }) {
  const { pathname, search } = useLocation();
  return (
    <span role="alert" className="min-w-0 break-words text-bad empty:hidden">
      {of !== undefined && said(of)}
      {isSessionOver(of) && (
        <>
          {' '}
          {/* Beside this page, whose work would be lost; then it can be tried again here. */}
          <a
            className="link"
            target="_blank"
            rel="noopener"
            href={`/sign-in?to=${encodeURIComponent(pathname + search)}`}
          >
            Sign in again, in another tab
          </a>
        </>
      )}
    </span>
  );
}
