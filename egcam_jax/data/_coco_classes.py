"""What the classes of COCO are called in ImageNet and CIFAR-10, where that is not simply their name."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from egcam_jax.data._classes import find, plain

COCO_CLASSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "airplane": ("airplane", "airliner", "warplane"),
        "apple": ("apple", "Granny Smith"),
        "bear": ("bear", "brown bear", "American black bear", "ice bear", "sloth bear"),
        "bed": ("bed", "four-poster"),
        "bench": ("bench", "park bench"),
        "bicycle": ("bicycle", "mountain bike", "bicycle-built-for-two"),
        "boat": ("boat", "canoe", "catamaran", "fireboat", "gondola", "lifeboat", "schooner", "speedboat", "yawl"),
        "bottle": ("bottle", "beer bottle", "pill bottle", "pop bottle", "water bottle", "wine bottle"),
        "bowl": ("bowl", "mixing bowl", "soup bowl"),
        "bus": ("bus", "school bus", "minibus", "trolleybus"),
        "car": ("car", "automobile", "beach wagon", "cab", "convertible", "jeep", "limousine", "minivan", "sports car"),
        "cat": ("cat", "tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat"),
        "cell phone": ("cell phone", "cellular telephone"),
        "chair": ("chair", "barber chair", "folding chair", "rocking chair", "throne"),
        "clock": ("clock", "analog clock", "digital clock", "wall clock"),
        "couch": ("couch", "studio couch"),
        "cow": ("cow", "ox"),
        "cup": ("cup", "coffee mug"),
        "elephant": ("elephant", "tusker", "Indian elephant", "African elephant"),
        "hair drier": ("hair drier", "hand blower"),
        "handbag": ("handbag", "purse"),
        "horse": ("horse", "sorrel"),
        "hot dog": ("hot dog", "hotdog"),
        "keyboard": ("keyboard", "computer keyboard"),
        "kite": (),  # a toy; ImageNet's is a bird
        "knife": ("knife", "cleaver"),
        "laptop": ("laptop", "notebook"),
        "motorcycle": ("motorcycle", "moped", "motor scooter"),
        "oven": ("oven", "stove", "rotisserie"),
        "potted plant": ("potted plant", "pot"),
        "remote": ("remote", "remote control"),
        "sheep": ("sheep", "ram"),
        "sink": ("sink", "washbasin"),
        "skis": ("skis", "ski"),
        "spoon": ("spoon", "wooden spoon"),
        "sports ball": (
            "baseball",
            "basketball",
            "golf ball",
            "rugby ball",
            "soccer ball",
            "tennis ball",
            "volleyball",
        ),
        "stop sign": ("stop sign", "street sign"),
        "teddy bear": ("teddy bear", "teddy"),
        "tennis racket": ("tennis racket", "racket"),
        "tie": ("tie", "bolo tie", "bow tie", "Windsor tie"),
        "toilet": ("toilet", "toilet seat"),
        "train": ("train", "bullet train", "electric locomotive", "passenger car", "steam locomotive"),
        "truck": ("truck", "fire engine", "garbage truck", "moving van", "pickup", "tow truck", "trailer truck"),
        "tv": ("tv", "television"),
        "wine glass": ("wine glass", "goblet"),
    }
)
"""COCO's name: all names of classes that fit.

Other classes have the same name in the network or none. Left out are those that ImageNet has only in a hundred kinds
(bird, dog) or not at all (person, giraffe, fire hydrant, surfboard, scissors and others).
"""


def labels_of(name: str, class_names: Sequence[str] | None) -> tuple[int, ...]:
    """The network's classes that fit a class of COCO, or of another data set with names; none where there are none."""
    fitting_classes = (find(fitting, class_names) for fitting in COCO_CLASSES.get(plain(name), (name,)))
    return tuple(dict.fromkeys(label for label in fitting_classes if label is not None))
