"""Print values that pin every image of the chart to the digest that its tag has in the registry now.

    make image-digests VALUES=my-values.yaml > digests.yaml
    helm upgrade retail charts/retail-orders --values my-values.yaml --values digests.yaml ...

Needs helm, and one of crane, skopeo and docker with buildx, logged in to the registry.
"""

import re
import shutil
import sys
from collections.abc import Iterator

import yaml
from commands import CommandFailed, Resource, chart, run

CLIENTS = {
    "crane": ["crane", "digest"],
    "skopeo": ["skopeo", "inspect", "--format", "{{.Digest}}"],
    "docker": ["docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}"],
}


def main() -> None:
    """Write the values to standard output; exit with a sentence if helm fails or an image cannot be pinned."""
    client = next((name for name in CLIENTS if shutil.which(name)), None)
    if client is None:
        sys.exit("image-digests: install crane, skopeo or docker: one of them asks the registry")
    try:
        found = dict(images(chart("retail", sys.argv[1:])))
    except CommandFailed as error:
        sys.exit(f"image-digests: helm cannot render the chart\n{error}")
    values = {key: {"image": {"digest": digest(client, image)}} for key, image in sorted(found.items())}
    print(yaml.safe_dump(values), end="")


def images(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """For each container of a Deployment, yield its key in the values (`proxy` for nginx) and its image without digest.

    Exit with a sentence if an image has a digest and no tag.
    """
    for deployment in (r for r in resources if r["kind"] == "Deployment"):
        first, *others = deployment["metadata"]["labels"]["app.kubernetes.io/component"].split("-")
        key = first + "".join(word.capitalize() for word in others)
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            component = key if container["name"] != "proxy" else "proxy"
            name, _, pinned = container["image"].partition("@")
            if pinned and ":" not in name.rpartition("/")[2]:  # without a tag, `latest` is looked up
                sys.exit(
                    f"image-digests: {container['image']} has no tag: set {component}.image.tag, or its digest to ''"
                )
            yield component, name


def digest(client: str, image: str) -> str:
    """Return the digest of an image in its registry, as `client` prints it; exit with a sentence if it prints none."""
    name = f"docker://{image}" if client == "skopeo" else image
    try:
        answer = run([*CLIENTS[client], name]).strip()
    except CommandFailed as error:
        sys.exit(f"image-digests: {client} cannot find {image}; is it pushed, and are you logged in?\n{error}")
    if not re.fullmatch("sha256:[0-9a-f]{64}", answer):
        sys.exit(f"image-digests: {client} answered {answer!r} for {image}, which is not a digest")
    return answer


if __name__ == "__main__":
    main()
