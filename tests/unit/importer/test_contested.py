"""A deal that two leads name is found, however far apart they name it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.importer.contested import Contested

CLAIMS = st.lists(st.tuples(st.sampled_from([None, "", "D1", "D2", "D3"]), st.integers(1, 3)), max_size=12)


@given(claims=CLAIMS, batch=st.integers(1, 5))
def test_all_rows_of_a_deal_that_several_leads_name_are_told(claims: list[tuple[str | None, int]], batch: int) -> None:
    with Contested() as contested:
        for start in range(0, len(claims), batch):
            part = claims[start : start + batch]
            leads = np.array([lead for _, lead in part], np.uint64)
            contested.add([deal for deal, _ in part], leads, np.arange(start, start + len(part)))
        found = [place for places in contested.places() for place in places.tolist()]

    owners = {deal: {lead for other, lead in claims if other == deal} for deal, _ in claims}
    assert sorted(found) == [at for at, (deal, _) in enumerate(claims) if deal and len(owners[deal]) > 1]
