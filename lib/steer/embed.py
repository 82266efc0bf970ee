#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write a file as a C array, so that a program carries it: embed.py FILE OUT"""

import sys

with open(sys.argv[1], 'rb') as f:
    data = f.read()
rows = [', '.join(f'{b}' for b in data[i:i + 16]) for i in range(0, len(data), 16)]
with open(sys.argv[2], 'w', encoding='ascii') as f:
    f.write('#include "steer_priv.h"\n\n'
            # libelf reads it in place.
            '_Alignas(8) const unsigned char cv_steer_image[] = {\n\t' + ',\n\t'.join(rows) + ',\n};\n'
            'const size_t cv_steer_image_len = sizeof(cv_steer_image);\n')
