"""The bugs that must be caught: one line of code made wrong, and the test that is there for it.

Each entry is a mistake somebody could make, not a random edit. When the code it names changes, the
run says so and the entry follows.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One planted bug."""

    name: str
    """What is wrong, as a phrase."""
    path: str
    """File, from the project root."""
    old: str
    """A passage that occurs exactly once in it."""
    new: str
    """What stands there instead."""
    test: str
    """The pytest node that must fail; of a parametrised test, the whole of it."""


SPINE = "tests/spine/test_transaction.py::"
BATCH = "tests/spine/test_batch.py::"
STATS = "tests/lib/test_stats.py::"
ROLLBACK = "tests/core/test_rollback.py::"
MIXTURE = "tests/core/test_mixture.py::"
CACHE = "tests/core/test_cache.py::"
SPFW = "tests/core/test_spfw.py::"
SEARCH = "tests/core/test_budget_search.py::"
CANARIES = "tests/core/test_canaries.py::"
CLOSED_FORM = "tests/core/test_closed_form.py::"
VOCABULARY = "tests/core/test_vocabulary.py::"
FAST = "tests/changes/test_fast_weights.py::"
SYSTEM = "tests/guarded/test_system.py::"
FIT_STATE = "tests/text_lm/test_fit_state.py::"
MONITOR = "tests/monitors/test_gradient.py::"
LIMITED = "tests/sandbox/test_limited.py::"
PT_FILES = "tests/store/test_pt_files.py::"
TRANSFER = "tests/branching/test_transfer.py::"
GENERATION = "tests/text_lm/test_generation.py::"

NANO = "tests/ttt_ssm_nano/test_learner.py::"
PLASTIC = "tests/guarded/test_plastic.py::"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a verdict on a reading that is not finite is an approval",
        path="ttt/spine/change.py",
        old="if not all(map(math.isfinite, self.readings.values())):",
        new="if any(map(math.isinf, self.readings.values())):",
        test=SPINE + "test_a_verdict_on_a_reading_that_is_not_finite_is_a_refusal",
    ),
    Mutant(
        name="an undo is believed without comparing fingerprints",
        path="ttt/spine/transaction.py",
        old="    if after != before:",
        new="    if not after:",
        test=SPINE + "test_a_wrong_undo_is_fatal_and_leaves_a_receipt",
    ),
    Mutant(
        name="an exploding change is recorded but not undone",
        path="ttt/spine/transaction.py",
        old="        trial.undo(cause)\n",
        new="",
        test=SPINE + "test_whatever_explodes_is_undone_recorded_and_raised_on",
    ),
    Mutant(
        name="the journal hears of a change only after it ran",
        path="ttt/spine/transaction.py",
        old="        journal.intend(change.kind, trial.before)\n        change.apply()",
        new="        change.apply()\n        journal.intend(change.kind, change.fingerprint())",
        test=SPINE + "test_the_journal_hears_of_a_change_before_it_runs_and_never_of_a_refused_one",
    ),
    Mutant(
        name="the first refusing check silences the others of its stage",
        path="ttt/spine/transaction.py",
        old="    rulings = [check() for check in checks]\n",
        new="    rulings = [next(iter(checks))()]\n",
        test=SPINE + "test_all_checks_of_a_stage_speak_but_a_later_stage_stays_silent",
    ),
    Mutant(
        name="in a batch one reverted member takes its neighbours along",
        path="ttt/spine/batch.py",
        old="_roll_back(batch, snapshot, undone, before)",
        new="_roll_back(batch, snapshot, everyone, before)",
        test=BATCH + "test_the_batch_equals_the_loop",
    ),
    Mutant(
        name="a robust z is not scaled to standard deviations",
        path="ttt/lib/stats.py",
        old="MAD_TO_SIGMA: Final = 1.4826",
        new="MAD_TO_SIGMA: Final = 1.0",
        test=STATS + "test_robust_z_is_the_documented_formula",
    ),
    Mutant(
        name="a broken reading scores nothing while the history is short",
        path="ttt/lib/stats.py",
        old="    if not (math.isfinite(x) and math.isfinite(sum(history))):",
        new="    if len(history) >= HISTORY_MIN and not math.isfinite(x + sum(history)):",
        test=STATS + "test_a_value_that_is_not_finite_scores_infinity_even_without_history",
    ),
    Mutant(
        name="a constant history turns its last digit into an alarm",
        path="ttt/lib/stats.py",
        old="SCALE_FLOOR_RELATIVE: Final = 0.01",
        new="SCALE_FLOOR_RELATIVE: Final = 0.0",
        test=STATS + "test_a_constant_history_does_not_turn_its_last_digit_into_an_alarm",
    ),
    Mutant(
        name="a canary loss that is NaN is under every limit",
        path="ttt/core/rollback.py",
        old="if not (value <= limit)",
        new="if value > limit",
        test=ROLLBACK + "test_what_is_not_finite_is_over_every_limit",
    ),
    Mutant(
        name="the drift budget is anchored at the last step instead of the session's start",
        path="ttt/core/rollback.py",
        old="        return self.after - self.start",
        new="        return self.after - self.before",
        test=ROLLBACK + "test_each_limit_has_two_sides",
    ),
    Mutant(
        name="an expert that answers NaN poisons the mixture",
        path="ttt/core/mixture.py",
        old="total if math.isfinite(total) else -math.inf",
        new="total",
        test=MIXTURE + "test_a_broken_expert_counts_as_nothing",
    ),
    Mutant(
        name="the mixture forgets its prior",
        path="ttt/core/mixture.py",
        old="    joints = [_log(share) + total for",
        new="    joints = [total for",
        test=MIXTURE + "test_the_closed_form_equals_the_token_by_token_mixture",
    ),
    Mutant(
        name="forgetting a chunk forgets the others",
        path="ttt/core/cache.py",
        old="if block.chunk != chunk)",
        new="if block.chunk == chunk)",
        test=CACHE + "test_forgetting_a_chunk_equals_never_having_seen_it",
    ),
    Mutant(
        name="the sign of the gradient is flipped",
        path="ttt/core/softmax_numba.py",
        old="errors_ND[n, d] * share - truth",
        new="truth - errors_ND[n, d] * share",
        test=CLOSED_FORM + "test_loss_and_gradient_equal_autograd",
    ),
    Mutant(
        name="a higher logit in a later tile leaves the earlier sums as they were",
        path="ttt/core/softmax_numba.py",
        old="            running_3[TOTAL] *= lowering\n",
        new="",
        test=VOCABULARY + "test_every_way_of_a_pass_is_right_to_rounding",
    ),
    Mutant(
        name="a NaN among the logits is taken for a very low one",
        path="ttt/core/softmax_numba.py",
        old="    x = LOWEST if x < LOWEST else x ",
        new="    x = np.float32(x if x > LOWEST else LOWEST) ",
        test=VOCABULARY + "test_one_broken_logit_breaks_its_whole_row_and_no_other",
    ),
    Mutant(
        name="without the compiled loops, a log-probability is the logarithm of what may vanish",
        path="ttt/core/vocabulary.py",
        old="logits_NV.gather(1, targets_N[:, None])[:, 0] - log_norm_N",
        new="probs_NV.gather(1, targets_N[:, None])[:, 0].log()",
        test=VOCABULARY + "test_log_probabilities_of_the_twin_are_right_where_they_vanish",
    ),
    Mutant(
        name="a frozen GRU reads a text differently under no_grad",
        path="ttt/core/backbone.py",
        old="not (x_BLD.requires_grad or w_ih.requires_grad)",
        new="not torch.is_grad_enabled()",
        test="tests/core/test_backbone.py::test_reading_without_a_graph_changes_no_bit",
    ),
    Mutant(
        name="the canary gradient points the other way",
        path="ttt/core/canaries.py",
        old="(self._errors_ND * canaries.weights_N[:, None]).T",
        new="-(self._errors_ND * canaries.weights_N[:, None]).T",
        test=CANARIES + "test_the_gradient_is_that_of_the_mean_loss",
    ),
    Mutant(
        name="long canaries count more than short ones",
        path="ttt/core/canaries.py",
        old="1.0 / len(batch)) for batch in batches]",
        new="1.0 / len(batches[0])) for batch in batches]",
        test=CANARIES + "test_each_canary_counts_alike_whatever_its_length",
    ),
    Mutant(
        name="a sum of readings forgets what two of them share",
        path="ttt/core/canaries.py",
        old="= before + factor * share, logits_NV",
        new="= factor * share, logits_NV",
        test=CANARIES + "test_a_move_like_another_is_right_and_its_way_too",
    ),
    Mutant(
        name="from above a limit a step is extrapolated",
        path="ttt/core/budget_search.py",
        old="(after - before) if after > before else 0.0",
        new="(after - before) if after != before else 0.0",
        test=SEARCH + "test_from_above_a_lowered_limit_no_step_goes_further_than_it_was",
    ),
    Mutant(
        name="earlier learning gives way whatever that brings",
        path="ttt/core/spfw.py",
        old="    if moved.fraction > search.estimate and _in_ball",
        new="    if moved.fraction > 0.0 and _in_ball",
        test=SPFW + "test_earlier_learning_gives_way_only_where_that_keeps_more_of_the_step",
    ),
    Mutant(
        name="the way back to the anchor is taken to rise where it falls",
        path="ttt/core/spfw.py",
        old="rise + share * slope - share",
        new="rise - share * slope - share",
        test=SPFW + "test_what_giving_way_makes_room_for_is_foreseen",
    ),
    Mutant(
        name="a course forgets its slope",
        path="ttt/core/budget_search.py",
        old="    slopes = [slope, *[0.0]",
        new="    slopes = [0.0, *[0.0]",
        test=SEARCH + "test_where_losses_are_parabolas_one_probe_is_enough",
    ),
    Mutant(
        name="a search goes by the course it was given, whatever it finds",
        path="ttt/core/budget_search.py",
        old="        self._course = self._course.through(fraction, rises, ends)\n",
        new="        self._course.through(fraction, rises, ends)\n",
        test=SEARCH + "test_an_end_that_was_expected_to_fit_and_does_not_is_searched_before",
    ),
    Mutant(
        name="the cache counts the rows that only fill it up",
        path="ttt/core/softmax_numba.py",
        old="top = highest(row_M)",
        new="top = highest(scores_NM[n])",
        test="tests/core/test_vocabulary.py::test_columns_that_stand_for_nothing_have_no_share",
    ),
    Mutant(
        name="rows that only fill a product up are handed out",
        path="ttt/lib/products.py",
        old="    return found[: left_NK.shape[0]]",
        new="    return found",
        test="tests/lib/test_products.py::test_both_ways_agree",
    ),
    Mutant(
        name="weights that are NaN are within the budget",
        path="ttt/core/budget_search.py",
        old="    return in_mean and highest <= config.canary_limit_nats",
        new="    return not reading.mean_loss - anchor.mean_loss > config.budget_nats",
        test=SPFW + "test_weights_that_are_not_finite_are_never_within_the_budget",
    ),
    Mutant(
        name="the budget is anchored at the last commit instead of the session's start",
        path="ttt/core/spfw.py",
        old="    search = BudgetSearch(line, start, config, outside=True)",
        new="    search = BudgetSearch(line, line.origin, config, outside=True)",
        test=SPFW + "test_after_every_commit_the_budget_holds",
    ),
    Mutant(
        name="the first bold guess is written without looking",
        path="ttt/core/budget_search.py",
        old="        if within_budget(reading, self._anchor, self._config):\n",
        new="        if self.probes == 1 or within_budget(reading, self._anchor, self._config):\n",
        test=SPFW + "test_after_every_commit_the_budget_holds",
    ),
    Mutant(
        name="the cone projects onto the harmful side",
        path="ttt/core/spfw.py",
        old="descent_CK = -self.projection",
        new="descent_CK = self.projection",
        test=SPFW + "test_a_step_the_cone_removes_entirely_is_suppressed",
    ),
    Mutant(
        name="undoing several steps undoes only the last",
        path="ttt/changes/fast_weights.py",
        old="        state = self.fast.state\n        target_DD",
        new="        state = self.fast.state\n        state.adapter_DD.add_(1e-3)\n        target_DD",
        test=FAST + "test_restoring_undoes_every_step_of_every_chunk_and_the_rules_memory",
    ),
    Mutant(
        name="the rule's memory is not part of what is fingerprinted",
        path="ttt/changes/fast_state.py",
        old='(("adapter", self.adapter_DD), *sorted(self.memory.items()))',
        new='(("adapter", self.adapter_DD),)',
        test=FAST + "test_the_fingerprint_covers_everything_the_next_step_depends_on",
    ),
    Mutant(
        name="what does not fit the budget is remembered all the same",
        path="ttt/changes/fast_weights.py",
        old="        if written_DD is not None:\n",
        new="        written_DD = target_DD if written_DD is None else written_DD\n        if True:\n",
        test=FAST + "test_what_does_not_fit_the_budget_changes_nothing",
    ),
    Mutant(
        name="the gradient is computed before the text is judged",
        path="ttt/guarded/system.py",
        old="        gate = [self._text_checks(texts), ",
        new="        _ = [lesson.learned for lesson in change.lessons]\n"
        "        gate = [self._text_checks(texts), ",
        test=SYSTEM + "test_a_hostile_text_is_refused_before_its_gradient_is_computed",
    ),
    Mutant(
        name="a gate switched off lets a gradient that is NaN through",
        path="ttt/guarded/system.py",
        old="        if not config.gate.enabled or not finite.allowed:\n            return finite\n",
        new="        if not config.gate.enabled:\n            return ALLOWED\n",
        test=SYSTEM + "test_no_setting_lets_a_gradient_that_is_not_finite_through",
    ),
    Mutant(
        name="a rolled-back event hides the damage it did",
        path="ttt/monitors/telling.py",
        old="        after=rise.after,\n",
        new="        after=rise.after if committed else rise.before,\n",
        test=MONITOR
        + "test_a_reverted_chunk_leaves_every_byte_as_it_was_and_its_event_keeps_the_damage",
    ),
    Mutant(
        name="an outlier is in its own baseline",
        path="ttt/lib/stats.py",
        old="        return robust_z(x, self.values)",
        new="        return robust_z(x, (*self.values, x))",
        test=STATS + "test_an_outlier_is_scored_before_it_enters_its_own_baseline",
    ),
    Mutant(
        name="a child's group outlives it",
        path="ttt/sandbox/limited.py",
        old="os.killpg(process.pid, signal.SIGKILL)",
        new="pass",
        test=LIMITED + "test_what_it_left_behind_is_killed_before_the_answer_is_given",
    ),
    Mutant(
        name="a child may answer without end",
        path="ttt/sandbox/limited.py",
        old="if len(output) > limits.output_bytes:",
        new="if len(output) > 1 << 40:",
        test=LIMITED + "test_a_function_that_wants_more_fails_with_one_reason_and_no_output",
    ),
    Mutant(
        name="what a child answers is taken on trust",
        path="ttt/sandbox/pt_reading.py",
        old="    tensor_files.read_header(ended.output, where=where)\n",
        new="",
        test="tests/sandbox/test_pt_reading.py::"
        "test_what_comes_out_of_the_child_is_not_taken_on_trust",
    ),
    Mutant(
        name="views may come to more than their file",
        path="ttt/store/pt_files.py",
        old="if unpacked_bytes > len(data):",
        new="if unpacked_bytes > FILE_BYTES_MAX:",
        test=PT_FILES + "test_only_named_dense_tensors_no_larger_than_the_file_are_read",
    ),
    Mutant(
        name="a zip may unpack to more than itself",
        path="ttt/store/pt_files.py",
        old="if record.compress_type != zipfile.ZIP_STORED or record.file_size != record.compress_size:",
        new="if record.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):",
        test=PT_FILES + "test_a_zip_that_torch_would_not_write_is_refused_unread",
    ),
    Mutant(
        name="a member of an archive may be a link",
        path="ttt/branching/archive.py",
        old="sound = header == _header(name, size)",
        new="sound = header.startswith(name.encode())",
        test="tests/branching/test_archive.py::test_members_of_any_other_kind_are_not_read",
    ),
    Mutant(
        name="an imported blob is what its length says",
        path="ttt/branching/bundle_reading.py",
        old="if ref_of(member.data) != ref:",
        new="if len(member.data) != ref.size:",
        test=TRANSFER + "test_a_forged_bundle_is_refused_and_nothing_is_written",
    ),
    Mutant(
        name="an imported commit need not follow the one before",
        path="ttt/branching/bundle_reading.py",
        old="sound = commit.prev == before.commit.digest and commit.parent is None",
        new="sound = commit.parent is None",
        test=TRANSFER + "test_a_forged_bundle_is_refused_and_nothing_is_written",
    ),
    Mutant(
        name="an imported revert takes back a commit of another number",
        path="ttt/branching/transfer.py",
        old='"n": numbers[target]}',
        new='"n": target.n}',
        test=TRANSFER + "test_what_was_taken_back_is_still_taken_back",
    ),
    Mutant(
        name="a blob that was collected meanwhile stays away",
        path="ttt/store/adoption.py",
        old="if not blobs.has_blob(root, ref):",
        new="if ref is None:",
        test="tests/store/test_adoption.py::"
        "test_a_blob_that_a_collection_takes_meanwhile_is_put_back",
    ),
    Mutant(
        name="the token that was written is never read",
        path="ttt/text_lm/generation.py",
        old="self._features_D = self._stepper.step(self._unread, self._state_NH)",
        new="self._stepper.step(self._unread, self._state_NH.clone())",
        test=GENERATION + "test_each_token_has_the_log_probability_that_the_whole_prefix_gives_it",
    ),
    Mutant(
        name="writing overwrites the state that it was given",
        path="ttt/text_lm/generation.py",
        old="return self._state_NH[None].clone()",
        new="return self._state_NH[None]",
        test=GENERATION + "test_asking_for_the_state_on_the_way_changes_nothing",
    ),
    Mutant(
        name="a token is drawn from scores that are not finite",
        path="ttt/text_lm/sampling.py",
        old="if not np.isfinite(log_probs_B).all():",
        new="if np.isinf(log_probs_B).any():",
        test="tests/text_lm/test_sampling.py::test_scores_that_are_not_finite_are_refused",
    ),
    Mutant(
        name="a character that lies in two tokens is shown as two broken ones",
        path="ttt/text_lm/pieces.py",
        old="self._decoder.decode(self._texts[token_id])",
        new='self._texts[token_id].decode("utf-8", "replace")',
        test="tests/text_lm/test_pieces.py::"
        "test_a_character_of_several_tokens_comes_whole_or_not_yet",
    ),
    Mutant(
        name="the beginning of a stop is shown",
        path="ttt/text_lm/pieces.py",
        old="(0 if last else self._doubtful())",
        new="0",
        test="tests/text_lm/test_pieces.py::test_what_is_written_is_the_text_up_to_the_first_stop",
    ),
    Mutant(
        name="a model that a session of unknown base may stand on is deleted",
        path="ttt/text_lm/models.py",
        old='return "" if session.model_signature else',
        new='return "" if True else',
        test="tests/text_lm/test_models.py::"
        "test_a_session_that_cannot_be_read_counts_as_standing_on_the_model",
    ),
    Mutant(
        name="a resumed training starts its recurrent state from zeros",
        path="ttt/text_lm/fit_state.py",
        old="if carried_BNH is not None:",
        new="if carried_BNH is None:",
        test=FIT_STATE + "test_a_state_restored_at_any_step_takes_the_same_steps",
    ),
    Mutant(
        name="a resumed training draws its masks anew",
        path="ttt/text_lm/fit_state.py",
        old='        self.masks.set_state(loop["masks"].clone())\n',
        new="",
        test=FIT_STATE + "test_a_state_restored_at_any_step_takes_the_same_steps",
    ),
    Mutant(
        name="a resumed training shares memory with what it was restored from",
        path="ttt/text_lm/fit_state.py",
        old="value = tensors[name].clone().to(",
        new="value = tensors[name].to(",
        test=FIT_STATE + "test_a_state_holds_no_memory_of_what_it_was_restored_from",
    ),
    Mutant(
        name="a training whose process died is still running",
        path="ttt/store/training_status.py",
        old="if status.status not in AT_WORK or is_held(root, model_id):",
        new="if status.status in PHASES:",
        test="tests/store/test_training_status.py::"
        "test_work_without_a_worker_reads_as_interrupted_or_as_completed_if_the_model_is_there",
    ),
    Mutant(
        name="the gradient of a gate forgets that the gate moves with its own input",
        path="ttt/core/gated_scan_numba.py",
        old="(opened[h] * (ONE + g[h] * shut[h]))",
        new="(opened[h] * (ONE + shut[h]))",
        test="tests/core/test_gated_scan.py::"
        "test_values_and_gradients_equal_the_twin_in_double_precision",
    ),
    Mutant(
        name="a text that is read without a graph leaves its first state behind",
        path="ttt/core/gated_scan.py",
        old="        return y_BLH, s_BLH[:, -1].clone()\n    y_BLH, end_BH",
        new="        return y_BLH, s_BLH[:, 0].clone()\n    y_BLH, end_BH",
        test="tests/core/test_gated_scan.py::"
        "test_a_layer_reads_alike_whether_it_is_trained_frozen_or_asked_for_no_gradient",
    ),
    Mutant(
        name="a vocabulary is taken for plain whose tokens their own merges do not reach",
        path="ttt/text_lm/plain_pairs.py",
        old="if ids is None or not _each_is_itself(file, ids):",
        new="if ids is None:",
        test="tests/text_lm/test_plain_pairs.py::"
        "test_a_token_that_its_own_merges_do_not_reach_is_not_proved",
    ),
    Mutant(
        name="a plastic state that is not finite is kept",
        path="ttt/guarded/plastic.py",
        old="    return ALLOWED if is_finite else Verdict(",
        new="    return ALLOWED if is_finite or True else Verdict(",
        test=PLASTIC + "test_only_a_finite_state_is_kept_whatever_the_probes_say",
    ),
    Mutant(
        name="a plant that has changed is a glitch for ever",
        path="ttt_ssm_nano/lesson.py",
        old="not loss <= factor * max(usual, lately)",
        new="not loss <= factor * usual",
        test=NANO + "test_what_stays_as_bad_is_no_glitch_but_another_plant",
    ),
    Mutant(
        name="least squares without its ridge",
        path="ttt_ssm_nano/rules.py",
        old="arithmetic.solve(gram, cross, arrays[ANCHOR], config.ridge)",
        new="arithmetic.solve(gram, cross, arrays[ANCHOR], 0.0)",
        test=NANO + "test_what_the_data_say_nothing_about_stays_at_the_base",
    ),
    Mutant(
        name="a chunk is taken out as if nothing had faded since",
        path="ttt_ssm_nano/rules.py",
        old="        times, unfade = (0, 0) if factor == 1.0 else _fadings(numbers, chunks, number)",
        new="        times, unfade = (0, 0)",
        test=NANO + "test_unlearning_equals_never_having_learned",
    ),
    Mutant(
        name="undoing a member of a batch forgets its memory",
        path="ttt_ssm_nano/session_state.py",
        old="            arrays[name] = here if there is here else",
        new="            arrays[name] = here if name.startswith('optim.') else",
        test=NANO + "test_many_sessions_at_once_get_what_each_would_alone",
    ),
    Mutant(
        name="the buffer that an update is judged on is the one in its gradient",
        path="ttt_ssm_nano/learner.py",
        old="        lesson = self._lesson(state.alone(), [chunk])\n        holder",
        new="        state = self._lesson(state.alone(), [chunk]).read_on(state.alone()).member(0)\n"
        "        lesson = self._lesson(state.alone(), [chunk])\n        holder",
        test=NANO + "test_the_held_out_buffer_is_not_in_the_gradient",
    ),
    Mutant(
        name="a sensor's lie judges the updates after it",
        path="ttt_ssm_nano/lesson.py",
        old="        kept_N = usable_N & ~np.array(self.glitch_N)",
        new="        kept_N = usable_N",
        test=NANO + "test_a_glitch_judges_no_later_update",
    ),
    Mutant(
        name="a session that begins anew keeps its old sums",
        path="ttt_ssm_nano/lesson.py",
        old='            if not name.startswith("session.")',
        new='            if name.startswith("plastic.")',
        test=NANO + "test_a_session_that_its_base_overtakes_twice_begins_anew",
    ),
)
