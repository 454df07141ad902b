import { NumberField, Segment, Switch } from "@/components/Controls";
import { Panel } from "@/components/Panel";
import { saveText } from "@/lib/save";
import { asConfig, type Choices, changedOptions, DEFAULTS, GROUPS, LIMITS } from "./limits";

/** Every threshold of the next run; those that differ from their defaults are marked. */
export function LimitsPanel(props: { choices: Choices; onChange: (choices: Choices) => void }) {
  const { choices, onChange } = props;
  const changed = Object.keys(changedOptions(choices)).length;
  return (
    <Panel title="Limits" hint="of the next run">
      <div className="grp">
        <div className="row wrap pb-1">
          <Segment
            label="network"
            words={["gru", "ssm"]}
            value={choices.backbone}
            onChange={(backbone) => onChange({ ...choices, backbone })}
          />
          <Segment
            label="objective"
            words={["ar", "mlm"]}
            value={choices.objective}
            onChange={(objective) => onChange({ ...choices, objective })}
          />
          <Segment
            label="safety mode"
            words={["spfw", "gate_rollback"]}
            value={choices.safety_mode}
            onChange={(safety_mode) => onChange({ ...choices, safety_mode })}
          />
        </div>
        <Switch
          label="Gate"
          value={choices.enable_gate}
          onChange={(enable_gate) => onChange({ ...choices, enable_gate })}
        />
        <Switch
          label="Rollback"
          value={choices.enable_rollback}
          onChange={(enable_rollback) => onChange({ ...choices, enable_rollback })}
        />
      </div>
      {GROUPS.map((group) => (
        <div key={group.title} className="grp">
          <h3>{group.title}</h3>
          {group.names.map((name) => (
            <NumberField
              key={name}
              {...LIMITS[name]}
              value={choices.numbers[name]}
              onChange={(value) =>
                onChange({ ...choices, numbers: { ...choices.numbers, [name]: value } })
              }
            />
          ))}
        </div>
      ))}
      <div className="grp">
        <p className="xs dim">
          {changed === 0 ? "All as by default." : `${changed} differ from the defaults.`}
        </p>
        <div className="row wrap pt-1">
          <button
            type="button"
            className="btn sm"
            onClick={() => saveText("monitor.yaml", asConfig(choices), "text/yaml")}
          >
            Save as config
          </button>
          <button
            type="button"
            className="btn sm"
            disabled={changed === 0}
            onClick={() => onChange(DEFAULTS)}
          >
            Reset the limits
          </button>
        </div>
      </div>
    </Panel>
  );
}
