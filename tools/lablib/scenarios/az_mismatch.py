# SPDX-License-Identifier: BSD-3-Clause
"""us-east-1a of one account is not us-east-1a of another: zones match by their ids."""

import copy
import json
import pathlib
import re

from cvlab import culvertd, peers, region, story

SUMMARY = "one account's us-east-1a is another's us-east-1b: zones match by id, not name"
TARGET, PORT = '10.0.1.31', 8080
table = story.table


def servers(made):
    """In the provider's first zone only."""
    peers.decoder(made, 'provider', TARGET, PORT)


def configs():
    """The service in us-east-1a of the provider, consumers c1 and c2, both in their own us-east-1a; and the
    same with c2 in the zone that it calls us-east-1b."""
    wrong = region.config([region.group('on', PORT, [(TARGET, PORT)])], consumers=2)
    del wrong['load_balancers'][0]['subnets'][1]
    for endpoint in wrong['endpoints']:
        del endpoint['subnets'][1]
    cured = copy.deepcopy(wrong)
    cured['endpoints'][1]['subnets'] = [{'subnet': 'b', 'ip': region.ENI_B}]
    return wrong, cured


def run(opts, say):
    """Play it."""
    wrong, cured = configs()
    with story.begin(opts, say, cured, servers) as it:
        file = pathlib.Path(it.lab.path('wrong.json'))
        file.write_text(json.dumps(wrong, indent=1), encoding='utf-8')
        code, said = culvertd.check(str(file))
        lines = [x for x in said.splitlines() if re.search(r'endpoints\[\d\]', x)]
        it.step('--check of c2 in the us-east-1a that it knows', 'refused',
                'refused' if code and any('endpoints[1]' in x for x in lines) else f'exit {code}',
                error='\n'.join(lines))
        zones = {e['name']: e['enis'][0]['az_id'] for e in it.culvert.endpoints()}
        it.step('c1 in its us-east-1a has an ENI in', 'use1-az1', zones['c1'])
        it.step('c2 in its us-east-1b has an ENI in', 'use1-az1', zones['c2'])
        for name, eni in (('c1', region.ENI), ('c2', region.ENI_B)):
            got, body = it.get(name, eni, PORT)
            it.step(f'{name} dials {eni}', 'HTTP 200', got)
            it.step('and is served by', f'{TARGET}:{PORT}', body.get('target'))
        return it.result()
