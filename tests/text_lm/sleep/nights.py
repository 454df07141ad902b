"""A small tree of sessions to sleep on, and a night that takes seconds."""

from ttt.text_lm.chat.conversation import ChatRoom
from ttt.text_lm.chat.options import ChatSettings, SayOptions
from ttt.text_lm.sleep.night import sleep
from ttt.text_lm.sleep.options import SleepOptions

SILENT = SayOptions(max_new_tokens=0)
SUBJECTS = (
    ("The river runs through the valley, and the valley belongs to the river and to nobody.",
     "When the river rises in the spring, the people of the valley carry their beds upstairs."),
    ("The old mill stands where two roads meet, and its wheel has not turned for many years.",
     "The miller left the mill to his daughter, who keeps bees in it and sells the honey."),
    ("The engine weaves patterns of numbers, just as the loom weaves flowers and leaves.",
     "The engine can do whatever we know how to order it to perform, and nothing else."),
)  # fmt: skip
CORE_SENTENCES = (
    "In the evening the lights of the village could be seen from the windows of the house. ",
    "He had walked a long way that morning, and when he came to the bridge he sat down. ",
    "Nobody had lived there for years, but the garden behind the wall was still green. ",
    "She put the letter on the table and went to the window without a word to anyone. ",
)


def tell(root, base="starter-gru", *, day="day"):
    """Sessions of one base, each told something about a subject of its own."""
    room = ChatRoom(root)
    for k, texts in enumerate(SUBJECTS):
        room.new(f"{day}-{k}", ChatSettings(base=base))
        for text in texts:
            list(room.send(f"{day}-{k}", text, SILENT))
    return room


def core_file(folder):
    """Core knowledge: four sentences in many orders."""
    path = folder / "core.txt"
    text = "".join(CORE_SENTENCES[(k * k + k // 3) % 4] for k in range(400))
    path.write_text(text)
    return str(path)


def options(root, core, **changed):
    """A night of seconds."""
    settings = {
        "artifacts_root": root, "core_path": (core,), "seq_len": 32, "batch_size": 4,
        "train_steps": 8, "lr": 1e-3, "eval_batches": 2,
        "fisher_tokens": 1000,
    } | changed  # fmt: skip
    return SleepOptions(**settings)


def slept(root, core, **changed):
    """Sleep, and keep what was told on the way."""
    told = []
    night = sleep(options(root, core, **changed), progress=lambda *step: told.append(step))
    return night, told
