module example.valetkey/dpop

go 1.22
