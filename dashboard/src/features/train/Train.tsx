import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate, useParams } from "react-router";
import { api, take } from "@/api/client";
import type { Job, Training, TrainLine } from "@/api/types";
import { Chart } from "@/components/Chart";
import { faultOf, NumberField, Segment, TextField } from "@/components/Controls";
import { JobRow } from "@/components/JobRow";
import { PageHead, Panel, Stats } from "@/components/Panel";
import { Empty, ErrorNote, Found } from "@/components/States";
import { count, duration, fixed } from "@/lib/format";
import { useAct, useJobs, useModels } from "@/lib/queries";
import { useUrlChoice, useUrlState } from "@/lib/urlState";

const FIELDS = {
  steps: { label: "Steps", initial: "2000", min: 1, whole: true },
  d_model: { label: "Width", initial: "256", min: 8, max: 8192, whole: true },
  n_layers: { label: "Layers", initial: "4", min: 1, max: 64, whole: true },
  vocab_size: { label: "Vocabulary", initial: "4096", min: 260, whole: true },
  seq_len: { label: "Tokens of a window", initial: "128", min: 2, whole: true },
  batch_size: { label: "Windows of a step", initial: "32", min: 1, whole: true },
  lr: { label: "Peak rate", initial: "0.03", min: 0, max: 1 },
  weight_decay: { label: "Weight decay", initial: "0.01", min: 0, max: 1 },
  mlm_share: { label: "Masked share", initial: "0.1", min: 0, max: 1 },
  val_every: { label: "Validate every", initial: "100", min: 0, whole: true },
  save_every: { label: "Save every", initial: "500", min: 0, whole: true },
  seed: { label: "Seed", initial: "0", min: 0, whole: true },
} as const;
type Name = keyof typeof FIELDS;
const NAMES = Object.keys(FIELDS) as Name[];
const AT_WORK = ["initializing", "tokenizing", "encoding_corpus", "running"];

function NewTraining({ onStarted }: { onStarted: (modelId: string) => void }) {
  const [modelId, setModelId] = useState("tiny");
  const [corpus, setCorpus] = useState("");
  const [backbone, setBackbone] = useState<"ssm" | "gru">("ssm");
  const [values, setValues] = useState<Record<Name, string>>(
    Object.fromEntries(NAMES.map((name) => [name, FIELDS[name].initial])) as Record<Name, string>,
  );
  const start = useAct(
    () => {
      const changed = NAMES.filter((name) => values[name] !== FIELDS[name].initial);
      const numbers = Object.fromEntries(changed.map((name) => [name, Number(values[name])]));
      const files = corpus
        .split("\n")
        .map((line) => line.trim())
        .filter(Boolean);
      const body = {
        model_id: modelId,
        backbone,
        ...(files.length > 0 ? { corpus: files } : {}),
        ...numbers,
      };
      return take<Job>(api.POST("/api/text/train", { body }));
    },
    ["jobs", "trainings"],
    () => onStarted(modelId),
  );
  const fault = NAMES.some((name) => faultOf(values[name], FIELDS[name]) !== null);
  return (
    <Panel title="New training" hint="a model of your own, from text on this machine">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          start.mutate(undefined);
        }}
      >
        <TextField label="Model id" value={modelId} onChange={setModelId} />
        <label className="stack gap-1">
          <span className="xs dim">Text files, one a line; empty reads Python's documentation</span>
          <textarea
            className="inp wide"
            rows={2}
            spellCheck={false}
            value={corpus}
            onChange={(event) => setCorpus(event.target.value)}
          />
        </label>
        <div className="row">
          <span className="text-ink-2">Network</span>
          <Segment label="network" words={["ssm", "gru"]} value={backbone} onChange={setBackbone} />
        </div>
        <div>
          {NAMES.map((name) => (
            <NumberField
              key={name}
              {...FIELDS[name]}
              value={values[name]}
              onChange={(value) => setValues({ ...values, [name]: value })}
            />
          ))}
        </div>
        {start.error ? <ErrorNote error={start.error} /> : null}
        <button
          type="submit"
          className="btn pri"
          disabled={fault || modelId === "" || start.isPending}
        >
          Start the training
        </button>
      </form>
    </Panel>
  );
}

function Curves({ modelId }: { modelId: string }) {
  const [scale, setScale] = useUrlChoice("scale", ["Linear", "Log"]);
  const [smoothing, setSmoothing] = useUrlState("smooth", "0.8");
  const known = useQuery({
    queryKey: ["trainings"],
    queryFn: () =>
      take<{ trainings: Training[] }>(
        api.GET("/api/text/train/jobs", { params: { query: { limit: 500 } } }),
      ),
  });
  // A candidate of a night was not trained here, and a job that waits has not begun.
  const begun = known.data?.trainings.some((one) => one.model_id === modelId) ?? false;
  const status = useQuery({
    queryKey: ["trainings", modelId, "status"],
    enabled: begun,
    queryFn: () =>
      take<Training>(
        api.GET("/api/text/train/{model_id}/status", { params: { path: { model_id: modelId } } }),
      ),
    refetchInterval: (query) => (AT_WORK.includes(query.state.data?.status ?? "") ? 1000 : false),
  });
  const working = AT_WORK.includes(status.data?.status ?? "");
  const metrics = useQuery({
    queryKey: ["trainings", modelId, "metrics"],
    enabled: begun,
    queryFn: () =>
      take<{ lines: TrainLine[] }>(
        api.GET("/api/text/train/{model_id}/metrics", { params: { path: { model_id: modelId } } }),
      ),
    refetchInterval: working ? 1000 : false,
  });
  const lines = metrics.data?.lines ?? [];
  const x = lines.map((line) => line.step);
  const log = scale === "Log";
  const shared = { xName: "step", x, sync: `train-${modelId}`, log, logX: log };
  return (
    <div className="stack">
      {begun ? null : (
        <p className="note">
          No training of {modelId} has begun: it waits for its turn, or it was made by a night.
        </p>
      )}
      <Found query={begun ? status : { data: null, error: null, refetch: () => undefined }}>
        {(found) =>
          found === null ? null : (
            <Stats
              all={[
                { name: "Status", value: found.status.replaceAll("_", " ") },
                { name: "Step", value: count(found.step), unit: `of ${count(found.steps)}` },
                { name: "Loss", value: fixed(found.loss, 3), unit: "nats a token" },
                { name: "Held out", value: fixed(found.val_loss, 3), unit: "nats a token" },
                {
                  name: "Rate",
                  value: found.tokens_per_s === null ? "none" : count(found.tokens_per_s),
                  unit: "tokens/s",
                  sub: found.left_s === null ? undefined : `about ${duration(found.left_s)} left`,
                },
              ]}
            />
          )
        }
      </Found>
      {status.data?.message ? <p className="note">{status.data.message}</p> : null}
      <Panel
        title={`Curves of ${modelId}`}
        hint="drag to zoom, double click to go back"
        actions={
          <>
            <label className="row xs text-ink-2">
              smoothing {smoothing}
              <input
                type="range"
                min="0"
                max="0.99"
                step="0.01"
                value={smoothing}
                onChange={(event) => setSmoothing(event.target.value)}
              />
            </label>
            <Segment label="axes" words={["Linear", "Log"]} value={scale} onChange={setScale} />
          </>
        }
      >
        {lines.length === 0 ? (
          <Empty
            what="No step was logged yet."
            where="The first line comes after log_every steps."
          />
        ) : (
          <div className="stack">
            <Chart
              {...shared}
              title="Loss, nats per token"
              sentence={`Loss over ${x.at(-1)} steps; the last is ${fixed(lines.at(-1)?.loss, 3)} nats per token.`}
              series={[
                { name: "train", slot: 1, values: lines.map((one) => one.loss) },
                {
                  name: "held out",
                  slot: 2,
                  points: true,
                  values: lines.map((one) => one.val_loss ?? null),
                },
              ]}
              smoothing={Number(smoothing)}
              height={240}
              file={`${modelId}-loss`}
            />
            <Chart
              {...shared}
              title="Rate, tokens per second"
              sentence="How fast each step was."
              series={[{ name: "rate", slot: 3, values: lines.map((one) => one.tokens_per_s) }]}
              height={120}
              file={`${modelId}-rate`}
            />
          </div>
        )}
      </Panel>
    </div>
  );
}

/** Makes a base model offline, from text on this machine. */
export default function Train() {
  const { modelId } = useParams();
  const navigate = useNavigate();
  const jobs = useJobs("train");
  const models = useModels();
  const trained = (models.data ?? []).filter((one) => one.status !== "built_in");
  const shown = modelId ?? jobs.data?.jobs[0]?.title;
  return (
    <>
      <PageHead
        title="Train"
        sentence="Makes a base model offline, from text on this machine. A training that is cancelled or dies goes on from its newest saved state."
      />
      <div className="cols two">
        <div className="stack">
          {shown ? (
            <Curves key={shown} modelId={shown} />
          ) : (
            <Panel title="Curves">
              <Empty
                what="No training yet."
                where="Looked in text_training of the artifact tree."
                command="ttt train --corpus stdlib --steps 300"
              />
            </Panel>
          )}
          <Panel title="Models" hint="made here, and by nights" flush>
            {trained.length === 0 ? (
              <Empty
                what="No model of your own yet."
                where="The two starter models are always there."
              />
            ) : (
              <ul className="side">
                {trained.map((model) => (
                  <li key={model.model_id}>
                    <a
                      href={`/train/${model.model_id}`}
                      aria-current={model.model_id === shown ? "true" : undefined}
                      onClick={(event) => {
                        event.preventDefault();
                        void navigate(`/train/${model.model_id}`);
                      }}
                    >
                      <span className="mono">{model.model_id}</span>
                      <small>{model.status.replaceAll("_", " ")}</small>
                    </a>
                  </li>
                ))}
              </ul>
            )}
          </Panel>
        </div>
        <div className="stack">
          <Panel title="Trainings" hint="as jobs" flush>
            {(jobs.data?.jobs.length ?? 0) === 0 ? (
              <Empty
                what="None was started here."
                where="Those of the command line are among the models."
              />
            ) : (
              <ul>
                {jobs.data?.jobs.slice(0, 6).map((job) => (
                  <JobRow key={job.job_id} job={job} />
                ))}
              </ul>
            )}
          </Panel>
          <NewTraining onStarted={(id) => void navigate(`/train/${id}`)} />
        </div>
      </div>
    </>
  );
}
