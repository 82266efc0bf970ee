/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Made by tests/unit/sigv4_vectors.py with botocore: do not edit. */

static const struct vector vectors[] = {
	{
		.name = "plain",
		.method = "POST",
		.path = "/",
		.query = "",
		.body = "Action=DescribeVpcs&Version=2016-11-15",
		.headers =
			{
				{"Host", "127.0.0.1:8443"},
				{"Content-Type",
				 "application/x-www-form-urlencoded; charset=utf-8"},
				{"X-Amz-Date", "20261121T213011Z"},
				{"Authorization",
				 "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE000000001/20261121/us-eas"
				 "t-1/ec2/aws4_request, SignedHeaders=content-type;host;x-amz-date"
				 ", Signature=0236e0f39788cfe6ebf1e132a29c9e33048a70f69717d439d9c1"
				 "5e2f492d7714"},
			},
		.n_headers = 4,
		.token = NULL,
		.service = "ec2",
		.presigned = false,
	},
	{
		.name = "token",
		.method = "POST",
		.path = "/",
		.query = "",
		.body = "Action=DescribeVpcs&Version=2016-11-15",
		.headers =
			{
				{"Host", "127.0.0.1:8443"},
				{"Content-Type",
				 "application/x-www-form-urlencoded; charset=utf-8"},
				{"X-Amz-Date", "20261121T213011Z"},
				{"X-Amz-Security-Token", "tok/en+with=signs=="},
				{"Authorization",
				 "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE000000001/20261121/us-eas"
				 "t-1/ec2/aws4_request, SignedHeaders=content-type;host;x-amz-date"
				 ";x-amz-security-token, Signature=4f7cfbaaae9d61904cf04ad2a3261a8"
				 "2eb87ec542002f4828260e8cb49bae48e"},
			},
		.n_headers = 5,
		.token = "tok/en+with=signs==",
		.service = "ec2",
		.presigned = false,
	},
	{
		.name = "empty body",
		.method = "POST",
		.path = "/",
		.query = "",
		.body = "",
		.headers =
			{
				{"Host", "127.0.0.1:8443"},
				{"Content-Type",
				 "application/x-www-form-urlencoded; charset=utf-8"},
				{"X-Amz-Date", "20261121T213011Z"},
				{"Authorization",
				 "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE000000001/20261121/us-eas"
				 "t-1/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date"
				 ", Signature=8e98c5967044a8bce7f2984e0e8dcb2e57c0e2a911aea196e9e7"
				 "addf4daf6cdd"},
			},
		.n_headers = 4,
		.token = NULL,
		.service = "sts",
		.presigned = false,
	},
	{
		.name = "utf-8",
		.method = "POST",
		.path = "/",
		.query = "",
		.body = "Name=gr%C3%BC%C3%9Fe+a~b",
		.headers =
			{
				{"Host", "127.0.0.1:8443"},
				{"Content-Type",
				 "application/x-www-form-urlencoded; charset=utf-8"},
				{"X-Amz-Date", "20261121T213011Z"},
				{"Authorization",
				 "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE000000001/20261121/us-eas"
				 "t-1/elasticloadbalancing/aws4_request, SignedHeaders=content-typ"
				 "e;host;x-amz-date, Signature=d43d8ba65af3de7dacb0f6447b4aa8590a8"
				 "d2df025ff8c71dfbd5c37d59753a0"},
			},
		.n_headers = 4,
		.token = NULL,
		.service = "elasticloadbalancing",
		.presigned = false,
	},
	{
		.name = "path",
		.method = "POST",
		.path = "/base/path",
		.query = "",
		.body = "a=1",
		.headers =
			{
				{"Host", "127.0.0.1:8443"},
				{"Content-Type",
				 "application/x-www-form-urlencoded; charset=utf-8"},
				{"X-Amz-Date", "20261121T213011Z"},
				{"Authorization",
				 "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE000000001/20261121/us-eas"
				 "t-1/ec2/aws4_request, SignedHeaders=content-type;host;x-amz-date"
				 ", Signature=848cb273cf307b00dfa51b4ea1c6b541f7e96219f8f69793cefc"
				 "141a35bc871c"},
			},
		.n_headers = 4,
		.token = NULL,
		.service = "ec2",
		.presigned = false,
	},
	{
		.name = "path with dots",
		.method = "POST",
		.path = "/a/./b/../c//d/",
		.query = "",
		.body = "a=1",
		.headers =
			{
				{"Host", "127.0.0.1:8443"},
				{"Content-Type",
				 "application/x-www-form-urlencoded; charset=utf-8"},
				{"X-Amz-Date", "20261121T213011Z"},
				{"Authorization",
				 "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE000000001/20261121/us-eas"
				 "t-1/ec2/aws4_request, SignedHeaders=content-type;host;x-amz-date"
				 ", Signature=0b1f9dea96a41f792fbf1a6e9416d9b2250980babd2f3c44715d"
				 "16b0bb842a08"},
			},
		.n_headers = 4,
		.token = NULL,
		.service = "ec2",
		.presigned = false,
	},
	{
		.name = "path with escapes",
		.method = "POST",
		.path = "/a%20b/c%2Fd",
		.query = "",
		.body = "a=1",
		.headers =
			{
				{"Host", "127.0.0.1:8443"},
				{"Content-Type",
				 "application/x-www-form-urlencoded; charset=utf-8"},
				{"X-Amz-Date", "20261121T213011Z"},
				{"Authorization",
				 "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE000000001/20261121/us-eas"
				 "t-1/ec2/aws4_request, SignedHeaders=content-type;host;x-amz-date"
				 ", Signature=0fa9fc3f4d50c54ae1dfcbe3f020fcbe99eea2c0d020660d2847"
				 "d93ac49191cb"},
			},
		.n_headers = 4,
		.token = NULL,
		.service = "ec2",
		.presigned = false,
	},
	{
		.name = "header with blanks",
		.method = "POST",
		.path = "/",
		.query = "",
		.body = "a=1",
		.headers =
			{
				{"Host", "127.0.0.1:8443"},
				{"X-Amz-Meta", "  two   words "},
				{"Content-Type",
				 "application/x-www-form-urlencoded; charset=utf-8"},
				{"X-Amz-Date", "20261121T213011Z"},
				{"Authorization",
				 "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE000000001/20261121/us-eas"
				 "t-1/ec2/aws4_request, SignedHeaders=content-type;host;x-amz-date"
				 ";x-amz-meta, Signature=15dbac4bf0b232547ee72fc9f7e0b4eea91710491"
				 "ca6b815254edb4c3552e559"},
			},
		.n_headers = 5,
		.token = NULL,
		.service = "ec2",
		.presigned = false,
	},
	{
		.name = "header order",
		.method = "POST",
		.path = "/",
		.query = "",
		.body = "a=1",
		.headers =
			{
				{"Host", "127.0.0.1:8443"},
				{"Zebra", "z"},
				{"Alpha", "a"},
				{"Content-Type",
				 "application/x-www-form-urlencoded; charset=utf-8"},
				{"X-Amz-Date", "20261121T213011Z"},
				{"Authorization",
				 "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE000000001/20261121/us-eas"
				 "t-1/ec2/aws4_request, SignedHeaders=alpha;content-type;host;x-am"
				 "z-date;zebra, Signature=347e04672569f9c20995311c1279040d66226ccf"
				 "8c6fe777917e065c0216611f"},
			},
		.n_headers = 6,
		.token = NULL,
		.service = "ec2",
		.presigned = false,
	},
	{
		.name = "presigned",
		.method = "GET",
		.path = "/",
		.query = "Action=DescribeVpcs&Version=2016-11-15&X-Amz-Algorithm=AWS4-HMAC"
			 "-SHA256&X-Amz-Credential=AKIDEXAMPLE000000001%2F20261121%2Fus-ea"
			 "st-1%2Fec2%2Faws4_request&X-Amz-Date=20261121T213011Z&X-Amz-Expi"
			 "res=900&X-Amz-SignedHeaders=host&X-Amz-Signature=df15d242085e699"
			 "5a4fdee04078db6f0da769cb4ff8ade75c1cb2fb4d2c8f79c",
		.body = "",
		.headers =
			{
				{"Host", "127.0.0.1:8443"},
			},
		.n_headers = 1,
		.token = NULL,
		.service = "ec2",
		.presigned = true,
	},
	{
		.name = "presigned, token",
		.method = "GET",
		.path = "/",
		.query = "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4"
			 "-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE000000001%2F20261121%2F"
			 "us-east-1%2Fsts%2Faws4_request&X-Amz-Date=20261121T213011Z&X-Amz"
			 "-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=tok%2"
			 "Fen%2Bwith%3Dsigns%3D%3D&X-Amz-Signature=01d6c091fef59a46f1dc28d"
			 "78682cacff4a2ea7069aece03dc883892c7aa0342",
		.body = "",
		.headers =
			{
				{"Host", "127.0.0.1:8443"},
			},
		.n_headers = 1,
		.token = "tok/en+with=signs==",
		.service = "sts",
		.presigned = true,
	},
	{
		.name = "presigned, encoded",
		.method = "GET",
		.path = "/",
		.query = "b=x%20y%2Fz&a=%C3%BC~-_.&B=&c.1=1&c.10=2&c.2=3&X-Amz-Algorithm=A"
			 "WS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE000000001%2F20261121"
			 "%2Fus-east-1%2Fec2%2Faws4_request&X-Amz-Date=20261121T213011Z&X-"
			 "Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=23e8468"
			 "a6a3a3bd5b0316f78c586ea9fa8f1dcb2cefd01693f065c647bd354dc",
		.body = "",
		.headers =
			{
				{"Host", "127.0.0.1:8443"},
			},
		.n_headers = 1,
		.token = NULL,
		.service = "ec2",
		.presigned = true,
	},
};
