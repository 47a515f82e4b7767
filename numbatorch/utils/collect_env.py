"""Versions and the machine, for reports of problems: `python -m numbatorch.utils.collect_env`."""

from ..cli import info


def get_env_info():
    """{what: value}, as `numbatorch info` shows it."""
    return dict(info.facts())


def get_pretty_env_info():
    """The same as lines of text."""
    facts = get_env_info()
    width = max(map(len, facts))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in facts.items())


def main():
    """Print them."""
    print("Collecting environment information...")
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
