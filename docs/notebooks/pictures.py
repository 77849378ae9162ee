# %% [markdown]
# # Teach two tasks to a picture encoder
#
# Written digits and photographs, both from scikit-learn. Here pictures are arrays, uint8 [H, W, 3];
# paths and folders do too.

# %%
import numpy as np
from sklearn.datasets import load_digits, load_sample_image

digits = load_digits()
grey = np.kron((digits.images[:400] * 15).astype(np.uint8), np.ones((8, 8), np.uint8))
written = np.repeat(grey[..., None], 3, axis=-1)

rng = np.random.default_rng(0)
photos, shown = [], []
for label, name in (("temple", "china.jpg"), ("flower", "flower.jpg")):
    photograph = load_sample_image(name)
    for _ in range(60):
        top, left = rng.integers(0, 427 - 160), rng.integers(0, 640 - 160)
        photos.append(photograph[top : top + 160, left : left + 160])
        shown.append(label)
written.shape, len(photos)

# %% [markdown]
# The encoder is a small network that was trained on photographs. Nothing of it changes.

# %%
from cfedge import Engine, Workspace

workspace = Workspace.create("ws", "lite0")
workspace.add("digits", written[:300], digits.target[:300], method="closed-form")
workspace.add("photos", photos[::2], shown[::2], method="closed-form")
for name, task in workspace.certificates().tasks.items():
    answers = task.answers
    print(
        f"{name}: {answers.right} of {answers.held_out} right,"
        f" at most {answers.wrong_answer_at_most:.1%} wrong"
    )

# %%
workspace.export("bundle")
engine = Engine.open("bundle")
right = [
    answer.label == str(label)
    for answer, label in zip(engine.predict(written[300:]), digits.target[300:400])
]
print(f"{np.mean(right):.0%} of new digits are read right")

# %% [markdown]
# ## Look at some answers

# %%
import matplotlib.pyplot as plt

some = [*written[300:304], *photos[1:120:30]]
figure, all_axes = plt.subplots(1, 8, figsize=(11, 1.9))
for axes, picture, answer in zip(all_axes, some, engine.predict(some)):
    axes.imshow(picture)
    axes.set_title(f"{answer.task}\n{answer.label}", fontsize=9)
    axes.axis("off")
plt.show()
