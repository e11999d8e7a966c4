"""What every part of a result has in common."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A part of the result; unknown fields are errors, so that the schema stays true."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
