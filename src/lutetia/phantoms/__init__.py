"""Known truth: stylised anatomy, virtual patients and their acquisitions."""
