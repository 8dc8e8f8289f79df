// Command tlsproxy stands before the simulator in the test of the image. It speaks TLS for the name that it is given, with an
// authority of its own, and is the DNS server that knows this name:
//
//	tlsproxy -name cce.test -to 127.0.0.1:8080 -ca FILE [-dns 127.0.0.54:53]
//
// The first line of its output is the port.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func main() {
	name := flag.String("name", "", "the name to serve")
	to := flag.String("to", "", "where the simulator listens")
	authority := flag.String("ca", "", "where to write the authority's certificate")
	resolver := flag.String("dns", "", "where to answer DNS queries")
	flag.Parse()
	if err := run(*name, *to, *authority, *resolver); err != nil {
		log.Fatal(err)
	}
}

func run(name, to, authority, resolver string) error {
	certificate, err := certify(name, authority)
	if err != nil {
		return err
	}
	if resolver != "" {
		connection, err := net.ListenPacket("udp", resolver)
		if err != nil {
			return err
		}
		go resolve(connection, name)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return http.Serve(listener, &httputil.ReverseProxy{Rewrite: func(request *httputil.ProxyRequest) {
		request.SetURL(&url.URL{Scheme: "http", Host: to})
		// The signature covers the name that the client asked for.
		request.Out.Host = request.In.Host
	}})
}

func certify(name, file string) (tls.Certificate, error) {
	var none tls.Certificate
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return none, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return none, err
	}
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test of the image"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, &authorityKey.PublicKey, authorityKey)
	if err != nil {
		return none, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return none, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, authorityKey)
	if err != nil {
		return none, err
	}
	return tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}, nil
}

// resolve answers with a loopback address for the name, and knows no other.
func resolve(connection net.PacketConn, name string) {
	buffer := make([]byte, 1500)
	for {
		size, from, err := connection.ReadFrom(buffer)
		if err != nil {
			log.Print(err)
			return
		}
		var query dnsmessage.Message
		if err := query.Unpack(buffer[:size]); err != nil || len(query.Questions) != 1 {
			continue
		}
		question := query.Questions[0]
		answer := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true, RecursionDesired: query.RecursionDesired},
			Questions: query.Questions,
		}
		switch {
		case question.Name.String() != name+".":
			answer.RCode = dnsmessage.RCodeNameError
		case question.Type == dnsmessage.TypeA:
			answer.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 5},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			}}
		}
		packed, err := answer.Pack()
		if err != nil {
			log.Print(err)
			continue
		}
		if _, err := connection.WriteTo(packed, from); err != nil {
			log.Print(err)
		}
	}
}
