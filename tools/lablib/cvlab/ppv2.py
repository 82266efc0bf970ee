# SPDX-License-Identifier: BSD-3-Clause
"""PROXY protocol v2: strict decoding, and encoding for tests.

Written from the protocol's text (haproxy.org, proxy-protocol.txt, section 2.2) and AWS's description of
its TLV, not from culvert's code: a mistake there must not be repeated here.
"""

import socket
import struct

SIGNATURE = b'\r\n\r\n\0\r\nQUIT\n'
FIXED_LEN = 16
TLV_CRC32C, TLV_NOOP, TLV_AWS = 0x03, 0x04, 0xEA
AWS_SUBTYPE_VPCE = 0x01
FAMILIES = {0x00: ('unspec', 0), 0x11: ('inet', 12), 0x21: ('inet6', 36)}


class Incomplete(Exception):
    """More bytes are needed."""


class BadHeader(Exception):
    """Not a valid header."""


def _table():
    rows = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        rows.append(n)
    return rows


_CRC_TABLE = _table()


def crc32c(data):
    """CRC-32C (Castagnoli, reflected) of bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _tlvs(block):
    """Split a TLV block into (type, offset of the value, value)."""
    out, pos = [], 0
    while pos < len(block):
        if len(block) - pos < 3:
            raise BadHeader(f'{len(block) - pos} bytes left over after the last TLV')
        kind, size = struct.unpack_from('!BH', block, pos)
        if size > len(block) - pos - 3:
            raise BadHeader(f'TLV 0x{kind:02x} of {size} bytes runs over the end')
        out.append((kind, pos + 3, block[pos + 3:pos + 3 + size]))
        pos += 3 + size
    return out


def _vpce_id(value):
    if not value:
        raise BadHeader('empty AWS TLV')
    if value[0] != AWS_SUBTYPE_VPCE:
        return None
    try:
        return value[1:].decode('ascii')
    except UnicodeDecodeError as err:
        raise BadHeader('AWS endpoint id is not ASCII') from err


def _crc_ok(header, at, value):
    if len(value) != 4:
        raise BadHeader(f'CRC32C TLV of {len(value)} bytes')
    zeroed = header[:at] + b'\0\0\0\0' + header[at + 4:]
    return crc32c(zeroed) == int.from_bytes(value, 'big')


def _addresses(family, body):
    if family == 'inet':
        src, dst, sport, dport = struct.unpack_from('!4s4sHH', body)
        name = socket.AF_INET
    else:
        src, dst, sport, dport = struct.unpack_from('!16s16sHH', body)
        name = socket.AF_INET6
    return (socket.inet_ntop(name, src), sport), (socket.inet_ntop(name, dst), dport)


def decode(buf):
    """Decode one header at the start of buf.

    Returns a dict: length, command, family, src and dst as (ip, port) or None, crc_ok (None when the
    TLV is absent), vpce (None when absent), tlvs as [(type, length)].
    Raises Incomplete or BadHeader. A wrong CRC is reported, not raised.
    """
    if SIGNATURE[:len(buf)] != bytes(buf[:len(SIGNATURE)]):
        raise BadHeader('no PROXY v2 signature')
    if len(buf) < FIXED_LEN:
        raise Incomplete()
    ver_cmd, fam, size = struct.unpack_from('!BBH', buf, 12)
    if ver_cmd not in (0x20, 0x21):
        raise BadHeader(f'version and command byte 0x{ver_cmd:02x}')
    if fam not in FAMILIES:
        raise BadHeader(f'family byte 0x{fam:02x}')
    family, addr_len = FAMILIES[fam]
    if size < addr_len:
        raise BadHeader(f'{size} bytes cannot hold {family} addresses')
    if len(buf) < FIXED_LEN + size:
        raise Incomplete()
    header = bytes(buf[:FIXED_LEN + size])
    out = {'length': len(header), 'command': 'PROXY' if ver_cmd == 0x21 else 'LOCAL',
           'family': family, 'src': None, 'dst': None, 'crc_ok': None, 'vpce': None, 'tlvs': []}
    if addr_len:
        out['src'], out['dst'] = _addresses(family, header[FIXED_LEN:])
    first = FIXED_LEN + addr_len
    for kind, at, value in _tlvs(header[first:]):
        out['tlvs'].append((kind, len(value)))
        if kind == TLV_CRC32C:
            if out['crc_ok'] is not None:
                raise BadHeader('two CRC32C TLVs')
            out['crc_ok'] = _crc_ok(header, first + at, value)
        elif kind == TLV_AWS:
            out['vpce'] = _vpce_id(value)
    return out


def encode(src, dst, vpce=None, total=100):
    """The header an NLB writes for IPv4: CRC32C, AWS endpoint id if any, NOOP up to `total` bytes."""
    aws = struct.pack('!BHB', TLV_AWS, 1 + len(vpce), AWS_SUBTYPE_VPCE) + vpce.encode() if vpce else b''
    pad = total - FIXED_LEN - 12 - 7 - len(aws) - 3
    noop = struct.pack('!BH', TLV_NOOP, pad) + bytes(pad)
    addr = struct.pack('!4s4sHH', socket.inet_aton(src[0]), socket.inet_aton(dst[0]), src[1], dst[1])
    fixed = SIGNATURE + struct.pack('!BBH', 0x21, 0x11, total - FIXED_LEN)
    header = fixed + addr + struct.pack('!BHI', TLV_CRC32C, 4, 0) + aws + noop
    crc = crc32c(header)
    at = FIXED_LEN + 12 + 3
    return header[:at] + struct.pack('!I', crc) + header[at + 4:]
